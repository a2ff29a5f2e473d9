/** Where guests of a lost host go, in which order, and when they rather wait. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { GUESTS_A_ROUND } from '../../../../src/cluster/ha/turns.ts';
import { createHaLab } from './haLab.ts';

async function watched(names: readonly string[] = ['a', 'b', 'c']) {
  const lab = await createHaLab(names);
  for (const name of names) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.switchOn();
  return lab;
}

const GONE = 40_000;

describe('an HAGroup', () => {
  it('sends guests to the host it prefers, and not back when the first returns', async () => {
    const lab = await watched();
    lab.addGroup('g', {
      hosts: [
        { name: 'a', priority: 3 },
        { name: 'c', priority: 2 },
        { name: 'b', priority: 1 },
      ],
    });
    await lab.addGuest('db', 'a', { ha: { group: 'g' } });
    lab.powerOff('a');
    await lab.advance(GONE);
    expect(lab.ha('a')?.state).toBe('Online');
    expect(lab.whereRuns('db')).toEqual(['c']);
    await lab.resign();
  });

  it('prefers its hosts to others, and does without them when none is left', async () => {
    const lab = await watched();
    lab.addGroup('g', { hosts: [{ name: 'a' }] });
    await lab.addGuest('db', 'a', { ha: { group: 'g' } });
    lab.powerOff('a');
    await lab.until('it runs outside its group', () => lab.whereRuns('db').includes('b'));
    await lab.resign();
  });

  it('that is restricted keeps its guests waiting with the reason, and lets them go on when a host of it can take them', async () => {
    const lab = await watched();
    lab.addGroup('g', { hosts: [{ name: 'a' }], restricted: true });
    await lab.addGuest('db', 'a', { ha: { group: 'g' } });
    lab.powerOff('a');
    await lab.until('it is proven', () => lab.guest('db').status?.ha?.state === 'Recovering');
    await lab.advance(2_000);
    expect(lab.guest('db').status?.ha).toMatchObject({
      reason: 'NoHost',
      message: expect.stringContaining('its group does not allow this host (b, c)'),
    });
    await lab.until('its host is back', () => lab.whereRuns('db').includes('a'));
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 2 });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});

describe('guests of one lost host', () => {
  it('are placed by priority where there is not room for all', async () => {
    const lab = await watched(['a', 'b', 'c']);
    await lab.addGuest('big-b', 'b', { memory: { size: '10Gi' } });
    await lab.addGuest('big-c', 'c', { memory: { size: '15Gi' } });
    await lab.addGuest('low', 'a', { memory: { size: '5Gi' }, ha: { priority: -1 } });
    await lab.addGuest('high', 'a', { memory: { size: '5Gi' }, ha: { priority: 5 } });
    lab.powerOff('a');
    await lab.until('the important one runs', () => lab.whereRuns('high').includes('b'));
    await lab.advance(2_000);
    expect(lab.whereRuns('low')).toEqual([]);
    expect(lab.guest('low').status?.ha?.message).toContain('not enough memory');
    await lab.resign();
  });

  it('are placed a few in a round, the important first, and none is kept back by those that fit nowhere', async () => {
    const lab = await watched(['a', 'b', 'c']);
    const many = GUESTS_A_ROUND + 5;
    const names = Array.from({ length: many }, (_, index) => `g${index}`);
    const small = { memory: { size: '64Mi' } };
    for (const [index, name] of names.entries())
      lab.seedGuest(name, 'a', { ...small, ha: { priority: index } });
    for (const name of names)
      lab.seedGuest(`big-${name}`, 'a', { memory: { size: '99Gi' }, ha: { priority: 100 } });
    await lab.advance(5_000);
    lab.powerOff('a');
    const isPlaced = (name: string) => lab.guest(name).status?.placement?.host !== 'a';
    await lab.until('the first few are placed', () => names.some(isPlaced));
    const placed = names.filter(isPlaced);
    expect(placed).toEqual(names.slice(-placed.length));
    await lab.until('all run', () => names.every((name) => lab.whereRuns(name).length === 1));
    expect(lab.guest('big-g0').status?.ha?.message).toContain('not enough memory');
    await lab.resign();
  });

  it('that must keep apart do so also when they are placed in one round', async () => {
    const lab = await watched(['a', 'b', 'c']);
    const apart = (other: string) => ({
      keepApart: [{ policy: 'Required' as const, guest: { kind: 'VirtualMachine' as const, name: other } }],
    });
    lab.addGroup('g', { hosts: [{ name: 'b' }] });
    // They came together before the rule, and both like `b`.
    await lab.addGuest('one', 'a', { ha: { group: 'g' }, placement: apart('two') });
    await lab.addGuest('two', 'a', { ha: { group: 'g' } });
    lab.powerOff('a');
    await lab.until('both run', () => lab.whereRuns('one').length + lab.whereRuns('two').length === 2);
    expect([...lab.whereRuns('one'), ...lab.whereRuns('two')].sort()).toEqual(['b', 'c']);
    await lab.resign();
  });

  it('wait for their host where their volumes are its own', async () => {
    const lab = await watched();
    const disks = [{ name: 'root', pool: 'local', size: '1Gi' }];
    // What it asks for is set aside there, and is not taken for somebody else's.
    await lab.addGuest('db', 'a', { disks, memory: { size: '10Gi' } });
    lab.powerOff('a');
    await lab.until('it is proven', () => lab.guest('db').status?.ha?.state === 'Recovering');
    await lab.advance(2_000);
    expect(lab.guest('db').status?.ha?.message).toContain('its volumes lie in local, which is not shared');
    await lab.until('its host is back', () => lab.whereRuns('db').includes('a'));
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('without `ha` stay where they are, also when the host is fenced for another', async () => {
    const lab = await watched();
    await lab.addGuest('db', 'a');
    await lab.addGuest('plain', 'a');
    await lab.api.mergePatch(VirtualMachine, { namespace: 'default', name: 'plain' }, { spec: { ha: null } });
    await lab.advance(3_000);
    expect(lab.guest('plain').status?.ha).toBeUndefined();
    lab.powerOff('a');
    await lab.until('the other runs', () => lab.whereRuns('db').length === 1);
    expect(lab.guest('plain').status?.placement).toEqual({
      ...{ host: 'a', epoch: 1, since: '2026-01-01T00:00:00Z' },
    });
    await lab.resign();
  });

  it('that are switched off stay off, and cause no fence', async () => {
    const lab = await watched();
    await lab.addGuest('db', 'a', { runStrategy: 'Halted' });
    lab.powerOff('a');
    await lab.advance(60_000);
    expect(lab.switched).toEqual([]);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resign();
  });
});

describe('a ClusterPolicy that is deleted', () => {
  it('takes with it what was stored by it, and guests run on', async () => {
    const lab = await watched();
    await lab.addGuest('db', 'a');
    expect(lab.guest('db').status?.placement?.bootID).toBeDefined();
    await lab.api.delete(ClusterPolicy, { name: 'default' });
    await lab.until('it is gone', () => lab.policy() === undefined);
    expect(lab.guest('db').status?.ha).toBeUndefined();
    expect(lab.guest('db').status?.placement?.bootID).toBeUndefined();
    expect(['a', 'b', 'c'].map((name) => lab.ha(name))).toEqual([undefined, undefined, undefined]);
    lab.powerOff('a');
    await lab.advance(60_000);
    expect(lab.switched).toEqual([]);
    await lab.resign();
  });

  it('and made anew counts votes above all that hosts have counted by', async () => {
    const lab = await watched();
    expect(lab.policy()?.status?.votes?.version).toBe(1);
    await lab.api.delete(ClusterPolicy, { name: 'default' });
    await lab.until('it is gone', () => lab.policy() === undefined);
    await lab.switchOn();
    expect(lab.policy()?.status?.votes?.version).toBe(2);
    await lab.resign();
  });
});
