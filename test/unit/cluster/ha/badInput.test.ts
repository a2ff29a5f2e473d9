/** What people may get wrong: each is named where they look, and the rest of the cluster is as safe as before. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { FenceDevice } from '../../../../src/api/kinds/fenceDevice.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import type { Condition, KindRef, KubeObject, Stored } from '../../../../src/api/meta.ts';
import type { NeighbourRule } from '../../../../src/api/placement.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { createHaLab, type HaLab } from './haLab.ts';

type Conditioned = KubeObject<unknown, { conditions?: Condition[] }>;

/** `db` on `a`, which has a device, and nothing wrong yet. */
async function cluster(): Promise<HaLab> {
  const lab = await createHaLab();
  lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  return lab;
}

function ready<T extends Conditioned>(lab: HaLab, kind: KindRef<T>, name: string): Condition | undefined {
  const object = lab.api.state.get(kind, name) as Stored<T> | undefined;
  return findCondition(object?.status?.conditions, 'Ready');
}

/** The host of `db` loses its power: whatever else is wrong, it runs elsewhere by a proof. */
async function expectRecovery(lab: HaLab): Promise<void> {
  lab.powerOff('a');
  await lab.until('db runs elsewhere', () => lab.whereRuns('db').some((name) => name !== 'a'), 30_000);
  expect([lab.ha('a')?.proof?.kind, lab.twice]).toEqual(['PowerOff', []]);
}

const required = (name: string): NeighbourRule[] => [
  { policy: 'Required', guest: { kind: 'VirtualMachine', name } },
];

describe('a cluster goes on although', () => {
  it('a group names no host that exists, which the group says', async () => {
    const lab = await cluster();
    lab.addGroup('nowhere', { hosts: [{ name: 'x' }, { name: 'y' }], restricted: true });
    await lab.advance(1_000);
    expect(ready(lab, HAGroup, 'nowhere')).toMatchObject({ status: 'False', reason: 'NoHosts' });
    expect(ready(lab, HAGroup, 'nowhere')?.message).toContain('there is no Host x, y');
    await lab.addGuest('stuck', 'a', { ha: { group: 'nowhere' } });
    await expectRecovery(lab);
    await lab.until('it waits with the reason', () => lab.guest('stuck').status?.ha?.reason === 'NoHost');
    expect(lab.guest('stuck').status?.ha?.message).toContain('its group does not allow this host');
    await lab.resign();
  });

  it('a guest names a group that does not exist, which the guest says until there is one', async () => {
    const lab = await cluster();
    await lab.addGuest('lost', 'b', { ha: { group: 'rack-one' } });
    const told = () => findCondition(lab.guest('lost').status?.conditions, 'HAGroupMissing');
    await lab.until('it says so', () => told() !== undefined, 5_000);
    expect(told()).toMatchObject({
      status: 'True',
      reason: 'HAGroupNotFound',
      message: expect.stringMatching(/no HAGroup "rack-one".*make the group, or correct spec.ha.group/),
    });
    expect(findCondition(lab.guest('db').status?.conditions, 'HAGroupMissing')).toBeUndefined();
    await expectRecovery(lab);
    lab.addGroup('rack-one', { hosts: [{ name: 'b' }] });
    await lab.until('it says so no more', () => told() === undefined, 5_000);
    await lab.api.delete(HAGroup, { name: 'rack-one' });
    await lab.until('it says so again', () => told() !== undefined, 5_000);
    await lab.resign();
  });

  it('a group names one host too many, which the group says', async () => {
    const lab = await cluster();
    lab.addGroup('some', { hosts: [{ name: 'b' }, { name: 'x' }] });
    await lab.advance(1_000);
    expect(ready(lab, HAGroup, 'some')).toMatchObject({
      reason: 'HostUnknown',
      message: expect.stringContaining('there is no Host x'),
    });
    await expectRecovery(lab);
    await lab.resign();
  });

  it('a device names a host that does not exist, which the device says', async () => {
    const lab = await cluster();
    lab.addDevice('strip', { name: 'x', plug: 'b' }, { name: 'b', plug: 'b' });
    await lab.advance(2_000);
    expect(ready(lab, FenceDevice, 'strip')).toMatchObject({ status: 'False', reason: 'HostUnknown' });
    await expectRecovery(lab);
    await lab.resign();
  });

  it('rules of two guests ask for both, which the guests say', async () => {
    const lab = await cluster();
    for (const name of ['one', 'two']) lab.failsOn.set(name, new Set());
    await lab.addGuest('one', 'b', { placement: { keepApart: required('two') } });
    await lab.addGuest('two', 'b', { placement: { keepTogether: required('one') } });
    await lab.until('they say so', () => lab.guest('one').status?.ha?.reason === 'RuleBroken', 90_000);
    expect(lab.guest('one').status?.ha?.message).toMatch(/VirtualMachine\/default\/two.*ask for both/);
    expect(lab.moves()).toEqual([]);
    await expectRecovery(lab);
    await lab.resign();
  });
});

it('times that are not safe together stop everybody from acting by them, and mended they count at once', async () => {
  const lab = await cluster();
  const timings = { selfFenceWait: '200s' };
  await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { timings } });
  await lab.advance(2_000);
  expect(ready(lab, ClusterPolicy, 'default')).toMatchObject({ status: 'False', reason: 'TimingsUnsafe' });
  expect(ready(lab, ClusterPolicy, 'default')?.message).toContain('I4a');
  lab.powerOff('a');
  await lab.advance(60_000);
  expect([lab.whereRuns('db'), lab.ha('a')?.state]).toEqual([[], 'Online']);
  await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { timings: null } });
  await lab.until('db runs elsewhere', () => lab.whereRuns('db').length === 1);
  expect(lab.twice).toEqual([]);
  await lab.resign();
});
