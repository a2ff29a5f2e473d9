/** `memoryOvercommit` in high availability: where guests of a lost host fit, what a group can tolerate, and that nothing moves because of it. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { machine } from '../builders.ts';
import { createHaLab } from './haLab.ts';

const NAMES = ['a', 'b'];
const gib = (count: number) => ({ memory: { size: `${count}Gi` } });
const WHILE = 60_000;

/** Hosts of 16 GiB, each with a device that cuts its power and a witness's part played by a third that takes nobody. */
async function cluster(memoryOvercommit?: number) {
  const lab = await createHaLab([...NAMES, 'w']);
  for (const name of NAMES) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.editHost('w', { unschedulable: true });
  await lab.switchOn(memoryOvercommit === undefined ? {} : { memoryOvercommit });
  const set = async (factor: number) => {
    await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { memoryOvercommit: factor } });
    await lab.advance(1_000);
  };
  const tolerated = () =>
    findCondition(
      (lab.api.state.get(HAGroup, 'g') as Stored<HAGroup> | undefined)?.status?.conditions,
      'HostFailuresTolerated',
    );
  return { ...lab, set, tolerated };
}

describe('guests of a lost host', () => {
  it('start on one that may promise more than it has', async () => {
    const lab = await cluster(1.5);
    await lab.addGuest('db', 'a', gib(12));
    await lab.addGuest('web', 'b', gib(12));
    lab.powerOff('a');
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').includes('b'), 30_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('wait where the factor leaves too little, say of what, and go on when it is raised', async () => {
    const lab = await cluster(1.25);
    await lab.addGuest('db', 'a', gib(12));
    await lab.addGuest('web', 'b', gib(12));
    lab.powerOff('a');
    await lab.until('it is proven', () => lab.guest('db').status?.ha?.state === 'Recovering', 30_000);
    await lab.advance(1_000);
    expect(lab.guest('db').status?.ha?.message).toContain('not enough memory of 16Gi x 1.25 (b)');
    await lab.set(1.5);
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').includes('b'), 5_000);
    await lab.resign();
  });

  it('count beside guests without protection, which have their part of the same promise', async () => {
    const lab = await cluster(1.5);
    await lab.addGuest('db', 'a', gib(10));
    await lab.addGuest('plain', 'b', { ...gib(16), ha: { mode: 'Ignored' } });
    lab.powerOff('a');
    await lab.until('it is proven', () => lab.guest('db').status?.ha?.state === 'Recovering', 30_000);
    await lab.advance(1_000);
    expect(lab.whereRuns('db')).toEqual([]);
    await lab.set(1.7);
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').includes('b'), 5_000);
    await lab.resign();
  });
});

it('guests that run stay when the factor is lowered below what is promised', async () => {
  const lab = await cluster(1.5);
  for (const name of ['one', 'two']) {
    lab.failsOn.set(name, new Set());
    await lab.addGuest(name, 'a', gib(12));
  }
  await lab.set(0.5);
  await lab.advance(WHILE);
  expect([lab.whereRuns('one'), lab.whereRuns('two'), lab.moves()]).toEqual([['a'], ['a'], []]);
  expect(['one', 'two'].map((name) => lab.guest(name).status?.placement?.epoch)).toEqual([1, 1]);
  await lab.resign();
});

describe('an HAGroup that is to tolerate the loss of a host', () => {
  const inGroup = (count: number) => ({ ...gib(count), ha: { group: 'g' } });
  const hosts = NAMES.map((name) => ({ name }));

  it('finds room by the factor, and loses it with it', async () => {
    const lab = await cluster(1.5);
    lab.addGroup('g', { hosts, hostFailuresToTolerate: 1 });
    await lab.addGuest('db', 'a', inGroup(12));
    await lab.addGuest('web', 'b', inGroup(12));
    await lab.advance(15_000);
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.set(1);
    await lab.advance(15_000);
    expect(lab.tolerated()).toMatchObject({ status: 'False', reason: 'GuestsWouldWait' });
    expect([lab.whereRuns('db'), lab.whereRuns('web'), lab.moves()]).toEqual([['a'], ['b'], []]);
    await lab.resign();
  });

  it('lets guests in as long as all would find another host by it', async () => {
    const lab = await cluster(1.5);
    lab.addGroup('g', { hosts, hostFailuresToTolerate: 1 });
    const disks = [{ name: 'root', pool: 'shared', size: '1Gi' }];
    const make = async (name: string) => {
      lab.api.seed(VirtualMachine, machine(name, { disks, ...inGroup(8) }));
      await lab.advance(3_000);
      return lab.guest(name).status?.placement?.host;
    };
    // 24 GiB of one host are promised to three of them, wherever they run.
    expect([await make('g1'), await make('g2'), await make('g3')]).not.toContain(undefined);
    expect(await make('g4')).toBeUndefined();
    const refused = findCondition(lab.guest('g4').status?.conditions, 'Scheduled');
    expect(refused).toMatchObject({ reason: 'HostFailuresNotTolerated' });
    expect(refused?.message).toContain('of 16Gi x 1.5');
    await lab.resign();
  });
});
