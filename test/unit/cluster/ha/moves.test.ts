/** Moves that high availability asks for: away from hosts on which a guest does not start, and back to those its group prefers. */
import { describe, expect, it } from 'vitest';
import type { HAGroupSpec } from '../../../../src/api/kinds/haGroup.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const REF = { namespace: 'default', name: 'db' };

/** A guest on `a` whose host says how its starts go. */
async function cluster(
  ha: object,
  { group, failsOn = [] }: { group?: HAGroupSpec; failsOn?: string[] } = {},
) {
  const lab = await createHaLab();
  for (const name of ['a', 'b', 'c']) lab.addDevice(`bmc-${name}`, { name, plug: name });
  if (group !== undefined) lab.addGroup('g', group);
  await lab.lead();
  await lab.switchOn();
  lab.failsOn.set('db', new Set(failsOn));
  await lab.addGuest('db', 'a', { ha });
  return lab;
}

const ha = (lab: HaLab) => lab.guest('db').status?.ha;
const moves = (lab: HaLab) => lab.moves().map(({ metadata, spec }) => [metadata.name, spec.targetHost]);

describe('a guest that does not start', () => {
  it('goes to another host when its tries are used up, and where it starts it stays', async () => {
    const lab = await cluster({ maxRestart: 2, maxRelocate: 1 }, { failsOn: ['a'] });
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').length === 1);
    expect(moves(lab)).toEqual([['ha-vm-db-1-1', 'b']]);
    expect(ha(lab)).toMatchObject({ attempts: [{ host: 'a', epoch: 1, failures: 3, to: 'b' }] });
    await lab.until('that is forgotten', () => ha(lab)?.attempts === undefined, 120_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'b', epoch: 2 });
    await lab.resign();
  });

  it('anywhere ends in Error with every attempt, and is not tried there any more', async () => {
    const lab = await cluster({ maxRestart: 0, maxRelocate: 2 }, { failsOn: ['a', 'b', 'c'] });
    await lab.until('it is in Error', () => ha(lab)?.state === 'Error', 120_000);
    expect(ha(lab)?.attempts?.map(({ host }) => host)).toEqual(['a', 'b', 'c']);
    expect(ha(lab)).toMatchObject({
      reason: 'StartFailed',
      message: expect.stringContaining('then c (1 starts failed)'),
    });
    lab.failsOn.set('db', new Set());
    await lab.advance(120_000);
    expect([ha(lab)?.state, lab.whereRuns('db'), lab.moves().length]).toEqual(['Error', [], 2]);
    await lab.resign();
  });

  it('is tried again after somebody has halted it', async () => {
    const lab = await cluster({ maxRelocate: 0 }, { failsOn: ['a'] });
    await lab.until('it is in Error', () => ha(lab)?.state === 'Error');
    lab.failsOn.set('db', new Set());
    await lab.api.mergePatch(VirtualMachine, REF, { spec: { runStrategy: 'Halted' } });
    await lab.until('it is off', () => ha(lab)?.state === 'Stopped');
    await lab.api.mergePatch(VirtualMachine, REF, { spec: { runStrategy: 'Always' } });
    await lab.until('it runs', () => lab.whereRuns('db').includes('a'));
    expect(ha(lab)?.attempts).toBeUndefined();
    await lab.resign();
  });

  it('is tried again after it was disabled, which stops it and leaves it where it is when its host is lost', async () => {
    const lab = await cluster({ maxRelocate: 0 }, { failsOn: ['a'] });
    await lab.until('it is in Error', () => ha(lab)?.state === 'Error');
    const mode = (value: string) =>
      lab.api.mergePatch(VirtualMachine, REF, { spec: { ha: { mode: value } } });
    await mode('Disabled');
    await lab.until('it is disabled', () => ha(lab)?.state === 'Disabled');
    lab.failsOn.set('db', new Set());
    await mode('Protected');
    await lab.until('it runs', () => lab.whereRuns('db').includes('a') && ha(lab)?.state === 'Started');
    await mode('Disabled');
    await lab.until('it is stopped', () => ha(lab)?.state === 'Disabled');
    expect(lab.whereRuns('db')).toEqual([]);
    lab.powerOff('a');
    await lab.advance(60_000);
    expect([ha(lab)?.state, lab.guest('db').status?.placement?.host, lab.switched]).toEqual([
      'Disabled',
      'a',
      [],
    ]);
    await mode('Protected');
    await lab.advance(5_000);
    expect(lab.guest('db').status?.placement?.host).toBe('a');
    await lab.resign();
  });

  it('and has nowhere else to go is tried where it is for as many rounds', async () => {
    const group = { hosts: [{ name: 'a' }], restricted: true, maxRestart: 1, maxRelocate: 2 };
    const lab = await cluster({ group: 'g' }, { group, failsOn: ['a'] });
    await lab.until('it is in Error', () => ha(lab)?.state === 'Error', 120_000);
    expect(ha(lab)?.attempts?.map(({ host, failures }) => [host, failures])).toEqual([
      ['a', 2],
      ['a', 4],
      ['a', 6],
    ]);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('is tried for ever when nobody has said how often', async () => {
    const lab = await cluster({}, { failsOn: ['a'] });
    await lab.advance(120_000);
    expect([ha(lab)?.attempts, moves(lab)]).toEqual([undefined, []]);
    expect(ha(lab)?.state).toMatch(/^Start/);
    await lab.resign();
  });

  it('in Error causes no fence, and nothing touches it when its host is lost', async () => {
    const lab = await cluster({ maxRelocate: 0 }, { failsOn: ['a'] });
    await lab.until('it is in Error', () => ha(lab)?.state === 'Error');
    lab.powerOff('a');
    await lab.advance(120_000);
    expect([lab.switched, ha(lab)?.state]).toEqual([[], 'Error']);
    await lab.resign();
  });

  it('ends the same wherever the leader died', async () => {
    for (let after = 0; after < 4; after += 1) {
      const lab = await cluster({ maxRestart: 1, maxRelocate: 1 }, { failsOn: ['a', 'b'] });
      lab.dieAfter(after);
      await lab.until(`the leader dies after ${after} writes`, lab.isDead, 120_000);
      await lab.succeed();
      await lab.until('it is in Error', () => ha(lab)?.state === 'Error', 120_000);
      expect([after, moves(lab), ha(lab)?.attempts?.map(({ host }) => host)]).toEqual([
        after,
        [['ha-vm-db-1-1', 'b']],
        ['a', 'b'],
      ]);
      await lab.resign();
    }
  }, 60_000);
});

describe('a group with failback', () => {
  const group: HAGroupSpec = {
    hosts: [
      { name: 'a', priority: 2 },
      { name: 'b', priority: 1 },
    ],
    failback: true,
  };

  it('takes its guest back when the better host has been there for a while, once', async () => {
    const lab = await cluster({ group: 'g' }, { group });
    lab.powerOff('a');
    await lab.until('it is recovered', () => lab.whereRuns('db').includes('b'));
    await lab.until('it is back', () => lab.whereRuns('db').includes('a'), 180_000);
    expect(moves(lab)).toEqual([['ha-vm-db-2-back', 'a']]);
    await lab.advance(300_000);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 3 });
    expect([lab.moves().length, lab.twice]).toEqual([1, []]);
    await lab.resign();
  });

  it('refuses a person a move that it would undo, and lets the guest leave a host in maintenance', async () => {
    const lab = await cluster({ group: 'g' }, { group });
    const move = (name: string) =>
      lab.api.create(Migration, {
        ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Migration', metadata: { name, namespace: 'default' } },
        spec: { guest: { kind: 'VirtualMachine', name: 'db' }, targetHost: 'b', type: 'Offline' },
      });
    const reason = (name: string) =>
      lab
        .moves()
        .find(({ metadata }) => metadata.name === name)
        ?.status?.conditions?.find(({ type }) => type === 'Stalled');
    await move('mine');
    await lab.until('it is refused', () => reason('mine')?.status === 'True');
    expect(reason('mine')).toMatchObject({
      reason: 'FailbackWouldUndo',
      message: expect.stringContaining('HAGroup g has failback and would move it from b to a'),
    });
    await lab.editHost('a', { unschedulable: true });
    await move('again');
    await lab.until('it is there', () => lab.whereRuns('db').join() === 'b');
    await lab.resign();
  });

  it('leaves it where it is while it is not asked for', async () => {
    const lab = await cluster({ group: 'g' }, { group: { ...group, failback: false } });
    lab.powerOff('a');
    await lab.advance(300_000);
    expect([lab.whereRuns('db'), lab.ha('a')?.state, moves(lab)]).toEqual([['b'], 'Online', []]);
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { failback: true } });
    await lab.until('it is back', () => lab.whereRuns('db').includes('a'), 60_000);
    await lab.resign();
  });

  it('does not send it to a host it did not start on', async () => {
    const lab = await cluster({ group: 'g', maxRestart: 0 }, { group, failsOn: ['a'] });
    await lab.until('it runs', () => lab.whereRuns('db').includes('b'));
    await lab.advance(600_000);
    expect(moves(lab)).toEqual([['ha-vm-db-1-1', 'b']]);
    await lab.resign();
  });

  it('moves nothing while high availability is paused, or to a host in maintenance', async () => {
    const lab = await cluster({ group: 'g' }, { group: { ...group, failback: false } });
    lab.powerOff('a');
    await lab.until('it is recovered', () => lab.whereRuns('db').includes('b'));
    await lab.editHost('a', { maintenance: { enabled: true } });
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { failback: true } });
    await lab.advance(180_000);
    expect(moves(lab)).toEqual([]);
    await lab.editHost('a', { maintenance: null });
    await lab.until('it is back', () => lab.whereRuns('db').includes('a'), 180_000);
    await lab.resign();
  });
});
