/** A word by which storage was taken from a host is lost while it should hold: by the storage, or by the API, which is put back to an older copy. */
import { describe, expect, it } from 'vitest';
import { createRevocationLab, type RevocationLab } from './revocationLab.ts';

const A1 = { host: 'a', bootID: 'a1boot-0000' };
const A2 = { host: 'a', bootID: 'a2boot-0000' };

/** Host a has no watchdog and no device; nobody hears it, and its guest runs elsewhere by what was taken from it. */
async function taken(before: (lab: RevocationLab) => Promise<void> = async () => {}): Promise<RevocationLab> {
  const lab = await createRevocationLab({ storageRevocation: 'Sufficient' });
  Object.assign(lab.machine('a'), { watchdog: false });
  await lab.addGuest('db', 'a', lab.on('red'));
  await before(lab);
  Object.assign(lab.machine('a'), { isCut: true, isStuck: true });
  await lab.until('db runs elsewhere', () => lab.whereRuns('db').some((host) => host !== 'a'));
  return lab;
}
const renewals = (lab: RevocationLab, by: string) =>
  lab.told.filter((what) => what === `${by}: red revoke a ${A1.bootID}`).length;

describe('storage that has forgotten from whom it was taken', () => {
  it('is told again within seconds by who took it, and nothing else comes of it', async () => {
    const lab = await taken();
    await lab.advance(10_000);
    const before = { ha: lab.ha('a'), placement: lab.guest('db').status?.placement };
    lab.forget('red');
    // Nobody knows yet: what the proof says is not so for as long as this lasts.
    expect([await lab.taken('red'), await lab.mayWrite('a', 'red')]).toEqual([[], true]);
    await lab.advance(6_000);
    expect([await lab.taken('red'), await lab.mayWrite('a', 'red')]).toEqual([[A1], false]);
    await lab.advance(30_000);
    expect({ ha: lab.ha('a'), placement: lab.guest('db').status?.placement }).toEqual(before);
    expect(lab.revocations()).toHaveLength(1);
    await lab.resign();
  });

  it('is told again within a minute by others when who took it is no more', async () => {
    const lab = await taken();
    lab.asleep.add('b');
    await lab.advance(10_000);
    const before = renewals(lab, 'c');
    lab.forget('red');
    await lab.advance(65_000);
    expect(await lab.taken('red')).toEqual([A1]);
    expect(renewals(lab, 'c')).toBeGreaterThan(before);
    expect(lab.ha('a')).toMatchObject({ state: 'Fencing', revoked: A1.bootID });
    await lab.resign();
  });

  it('is not told again of a host that is there in another boot, nor given anything back', async () => {
    const lab = await taken();
    lab.restart('a');
    lab.forget('red');
    const said = lab.told.length;
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.advance(70_000);
    expect([await lab.taken('red'), lab.told.slice(said).filter((what) => what.includes('revoke'))]).toEqual([
      [],
      [],
    ]);
    await lab.resign();
  });
});

describe('an API that is put back to a copy from before a host was lost', () => {
  it('has nothing given back by it before the host is there in another boot, also where the copy knows an earlier one', async () => {
    let copy: ReturnType<RevocationLab['copy']> | undefined;
    const lab = await taken(async (early) => {
      copy = early.copy();
    });
    if (copy === undefined) throw new Error('no copy');
    // Of a boot before the one in which storage was taken from it.
    const earlier = { ...copy, hosts: copy.hosts.map((host) => inBoot(host, 'a0boot-0000')) };
    await lab.rollBack(earlier, 1_000_007);
    for (const name of ['b', 'c']) lab.speak(name, 1_000_007);
    await lab.advance(120_000);
    expect(lab.ha('a')).toMatchObject({ state: 'Online', life: { bootID: 'a0boot-0000' } });
    expect([await lab.taken('red'), await lab.mayWrite('a', 'red')]).toEqual([[A1], false]);
    expect(lab.told.some((what) => what.includes('restore'))).toBe(false);
    // It is heard again in that boot: nothing says any more that it was taken, but the storage, and its agent reads that.
    Object.assign(lab.machine('a'), { isCut: false, isStuck: false });
    lab.speak('a', 1_000_007);
    await lab.advance(70_000);
    expect(await lab.taken('red')).toEqual([A1]);
    expect(lab.host('a')?.status?.pools?.find(({ name }) => name === 'red')?.reason).toBe('StorageRevoked');
    lab.restart('a');
    await lab.advance(90_000);
    expect([await lab.taken('red'), await lab.mayWrite('a', 'red')]).toEqual([[], true]);
    await lab.resign();
  });

  it('has storage that has forgotten told again of a host that does not speak, once those that are there have', async () => {
    const lab = await taken();
    const copy = lab.copy();
    lab.forget('red');
    await lab.rollBack(copy, 1_000_007);
    for (const name of ['b', 'c']) lab.speak(name, 1_000_007);
    await lab.advance(150_000);
    expect([await lab.taken('red'), await lab.mayWrite('a', 'red')]).toEqual([[A1], false]);
    await lab.resign();
  });

  it('has nothing taken by it from a host that is there in another boot since', async () => {
    const lab = await taken();
    const copy = lab.copy();
    lab.restart('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.advance(15_000);
    expect(await lab.taken('red')).toEqual([]);
    // It went on executing on a, without its disk, when it was started on b.
    const [before, twice] = [lab.told.length, lab.twice.length];
    await lab.rollBack(copy, 1_000_007);
    expect(lab.ha('a')).toMatchObject({ state: 'Fencing', revoked: A1.bootID });
    await lab.until('its agent has spoken', () => lab.host('a')?.status?.keeper?.bootID === A2.bootID);
    for (const name of ['a', 'b']) lab.speak(name, 1_000_007);
    await lab.advance(120_000);
    expect(lab.ha('a')).toMatchObject({ state: 'Fencing', revoked: A1.bootID });
    expect(lab.told.slice(before)).toEqual([]);
    lab.speak('c', 1_000_007);
    await lab.until('it is a host like others', () => lab.ha('a')?.state === 'Online');
    expect([lab.ha('a')?.revoked, lab.told.slice(before), lab.twice.length]).toEqual([undefined, [], twice]);
    await lab.resign();
  });
});

function inBoot<T extends ReturnType<RevocationLab['copy']>['hosts'][number]>(host: T, bootID: string): T {
  if (host.metadata.name !== 'a' || host.status?.ha === undefined || host.status.keeper === undefined)
    return host;
  const { ha, keeper } = host.status;
  const life = { ...ha.life, bootID, term: 1 };
  return { ...host, status: { ...host.status, ha: { ...ha, life }, keeper: { ...keeper, bootID } } };
}
