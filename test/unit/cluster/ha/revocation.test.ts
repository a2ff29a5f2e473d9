/** Storage is taken from a host that nobody hears: by agents elsewhere, asked by FenceActions; and is given back in another boot. */
import { describe, expect, it } from 'vitest';
import { createRevocationLab, type RevocationLab } from './revocationLab.ts';

const SUFFICIENT = { storageRevocation: 'Sufficient' } as const;
const A1 = { host: 'a', bootID: 'a1boot-0000' };

/** Host a has no watchdog and no device, its keeper is stuck: nothing proves that its guests are dead, and they are not. */
async function unprovable(policy = {}): Promise<RevocationLab> {
  const lab = await createRevocationLab({ ...SUFFICIENT, ...policy });
  Object.assign(lab.machine('a'), { watchdog: false });
  await lab.addGuest('db', 'a', lab.on('red'));
  return lab;
}
function vanish(lab: RevocationLab): void {
  Object.assign(lab.machine('a'), { isCut: true, isStuck: true });
}
const runsElsewhere = (lab: RevocationLab, name = 'db') => lab.whereRuns(name).some((host) => host !== 'a');
const phases = (lab: RevocationLab) => lab.revocations().map(({ status }) => status?.phase);

describe('a guest of a host that nobody hears, has no watchdog and no device', () => {
  it('runs elsewhere once all its pools are taken from the host, which writes nothing any more', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    expect(lab.ha('a')).toMatchObject({
      ...{ state: 'Fencing', revoked: A1.bootID },
      proof: { kind: 'StorageRevoked', covers: [`${lab.guest('db').metadata.uid}@1`] },
    });
    expect(lab.revocations()).toMatchObject([
      { spec: { host: 'a', pool: 'red', executor: 'b', bootID: A1.bootID }, status: { phase: 'Revoked' } },
    ]);
    expect(lab.revocations()[0]?.status?.startedAt).toBeDefined();
    // It goes on executing where it was, and that is all it does.
    expect(lab.whereRuns('db')).toHaveLength(2);
    expect([await lab.mayWrite('a', 'red'), await lab.mayWrite('b', 'red')]).toEqual([false, true]);
    await lab.resign();
  });

  it('has that stored in the Host before anybody is asked, and that it begins before a pool is told', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    const first = (what: string) => lab.writes.findIndex((write) => write.includes(what));
    const [stored, asked] = [first('"revoked":"a1boot-0000"'), first('"method":"Revoke"')];
    expect([stored >= 0, stored < asked, lab.told.length > 0, lab.early]).toEqual([true, true, true, []]);
    await lab.resign();
  });

  it('waits, and says why, where one of its disks or all lie in a pool that cannot be taken', async () => {
    const lab = await unprovable();
    await lab.addGuest('both', 'a', lab.on('red', 'shared'));
    await lab.addGuest('files', 'a', lab.on('local'));
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    await lab.advance(30_000);
    for (const name of ['both', 'files']) {
      expect(lab.whereRuns(name)).toEqual(['a']);
      expect(lab.guest(name).status?.ha).toMatchObject({ state: 'Fencing', reason: 'WaitingForProof' });
    }
    await lab.resign();
  });

  it('waits for all of its pools, one of which does not answer: that one is asked of another host', async () => {
    const lab = await unprovable();
    await lab.addGuest('two', 'a', lab.on('red', 'blue'));
    lab.hanging.add('blue');
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    await lab.until('the pool is asked again', () => lab.revocations().length >= 3);
    expect(runsElsewhere(lab, 'two')).toBe(false);
    const blue = lab.revocations().filter(({ spec }) => spec.pool === 'blue');
    expect(blue.map(({ spec }) => spec.executor)).toEqual(['b', 'c']);
    expect(blue[0]?.status?.phase).toBe('Failed');
    lab.hanging.clear();
    await lab.until('two runs elsewhere', () => runsElsewhere(lab, 'two'), 60_000);
    await lab.resign();
  });

  it('stays where it is without the word that this is enough', async () => {
    const lab = await unprovable({ storageRevocation: 'Ignore' });
    vanish(lab);
    await lab.advance(60_000);
    expect([lab.whereRuns('db'), lab.revocations()]).toEqual([['a'], []]);
    await lab.resign();
  });

  it('gets a better proof later, and the host is Fenced then', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    lab.restart('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    expect(lab.ha('a')?.revoked).toBeUndefined();
    expect(lab.whereRuns('db')).toHaveLength(1);
    await lab.resign();
  });
});

describe('a host whose storage was taken from it', () => {
  it('is given it back in its next boot, and not before', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    await lab.advance(120_000);
    expect(await lab.taken('red')).toEqual([A1]);
    // Asked again all the while: storage may forget such a word.
    expect(lab.told.filter((what) => what.includes('revoke')).length).toBeGreaterThan(10);
    expect(lab.told.some((what) => what.includes('restore'))).toBe(false);
    lab.restart('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.advance(15_000);
    expect(await lab.taken('red')).toEqual([]);
    expect(await lab.mayWrite('a', 'red')).toBe(true);
    expect(lab.host('a')?.status?.pools?.find(({ name }) => name === 'red')?.healthy).toBe(true);
    await lab.resign();
  });

  it('is given it back by another agent when the one that took it is no more', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    lab.asleep.add('b');
    lab.restart('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.advance(70_000);
    expect(await lab.taken('red')).toEqual([]);
    await lab.resign();
  });

  it('says that it is to be restarted when it is heard again in the same boot, and takes nobody', async () => {
    const lab = await unprovable();
    vanish(lab);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    Object.assign(lab.machine('a'), { isCut: false, isStuck: false });
    await lab.advance(70_000);
    expect(lab.ha('a')).toMatchObject({ state: 'Fencing', reason: 'StorageRevoked' });
    const ready = lab.host('a')?.status?.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject({ status: 'False', reason: 'StorageRevoked' });
    expect(ready?.message).toContain('restart it');
    expect(lab.host('a')?.status?.pools?.find(({ name }) => name === 'red')).toMatchObject({
      ...{ healthy: false, reason: 'StorageRevoked' },
    });
    expect(await lab.taken('red')).toEqual([A1]);
    lab.restart('a');
    await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
    await lab.resign();
  });
});

describe('after a self-fence', () => {
  async function fencing(): Promise<RevocationLab> {
    const lab = await createRevocationLab();
    await lab.addGuest('db', 'a', lab.on('red'));
    return lab;
  }

  it('its pools are taken from the host before its guests start elsewhere, and the host is to be restarted', async () => {
    const lab = await fencing();
    lab.cutOff('a');
    await lab.until('it is asked for', () => lab.revocations().length > 0);
    expect(lab.whereRuns('db')).toEqual([]);
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    expect(lab.ha('a')).toMatchObject({ state: 'Fenced', proof: { kind: 'SelfFence' }, revoked: A1.bootID });
    expect(await lab.taken('red')).toEqual([A1]);
    lab.mend('a');
    await lab.advance(20_000);
    expect(lab.ha('a')).toMatchObject({ state: 'Fenced', reason: 'StorageRevoked' });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('two tries that nobody answers are enough, and the guest starts', async () => {
    const lab = await fencing();
    lab.asleep.add('b').add('c');
    lab.cutOff('a');
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    expect(phases(lab)).toEqual(['Failed', 'Failed']);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('nobody is asked where no other host has the pool, and the guests of other pools are not held up', async () => {
    const lab = await fencing();
    await lab.addGuest('web', 'a');
    for (const name of ['b', 'c']) {
      const host = lab.host(name);
      if (host === undefined) throw new Error('gone');
      lab.asleep.add(name);
      const pools = (host.status?.pools ?? []).filter((pool) => pool.name !== 'red');
      lab.setPools(name, pools);
    }
    lab.cutOff('a');
    await lab.until('web runs elsewhere', () => runsElsewhere(lab, 'web'));
    expect(lab.revocations()).toEqual([]);
    await lab.resign();
  });
});

describe('an agent that is asked', () => {
  it('and dies in the middle has its work taken over by another, or does it when it is back', async () => {
    for (let at = 1; at <= 3; at += 1)
      for (const when of ['before', 'after'] as const) {
        const lab = await unprovable();
        lab.agentDiesAt('b', at, when);
        await lab.advance(1_000);
        vanish(lab);
        await lab.until(`b dies ${when} ${at}`, () => lab.agentIsDead('b'));
        await lab.until(`db runs elsewhere though b died ${when} ${at}`, () => runsElsewhere(lab));
        expect(lab.early).toEqual([]);
        expect(await lab.mayWrite('a', 'red')).toBe(false);
        lab.restartAgent('b');
        lab.restart('a');
        await lab.until('it is back', () => lab.ha('a')?.state === 'Online');
        await lab.advance(70_000);
        expect([at, when, await lab.taken('red')]).toEqual([at, when, []]);
        await lab.resign();
      }
  }, 60_000);

  it('refuses when the Lease was renewed since, and nothing is taken', async () => {
    const lab = await unprovable();
    lab.asleep.add('b').add('c');
    vanish(lab);
    await lab.until('it is asked for', () => lab.revocations().length === 1);
    Object.assign(lab.machine('a'), { isCut: false, isStuck: false });
    await lab.advance(1_000);
    lab.asleep.clear();
    await lab.until('it is refused', () => phases(lab)[0] === 'Refused');
    await lab.until('the host goes on', () => lab.ha('a')?.state === 'Online');
    expect([lab.told, lab.ha('a')?.revoked, lab.whereRuns('db')]).toEqual([[], undefined, ['a']]);
    await lab.resign();
  });

  it('and answers after it was given up says what it has done all the same', async () => {
    const lab = await unprovable();
    lab.slow.ms = 12_000;
    vanish(lab);
    await lab.until('it is given up', () => phases(lab)[0] === 'Failed');
    await lab.until('it is done', () => phases(lab)[0] === 'Revoked');
    await lab.until('db runs elsewhere', () => runsElsewhere(lab));
    await lab.resign();
  });
});

describe('a leader that dies between any two writes', () => {
  it('has a successor that ends where it would have', async () => {
    for (let after = 0; after < 12; after += 1) {
      const lab = await unprovable();
      vanish(lab);
      lab.dieAfter(after);
      await lab.until(`the leader dies after ${after} writes`, lab.isDead);
      await lab.advance(2_000);
      await lab.succeed();
      await lab.until(`db runs elsewhere, the leader dead after ${after} writes`, () => runsElsewhere(lab));
      expect([after, await lab.mayWrite('a', 'red')]).toEqual([after, false]);
      expect([after, lab.guest('db').status?.placement?.epoch]).toEqual([after, 2]);
      await lab.resign();
    }
  }, 60_000);
});
