/** What an HAGroup says of the day on which hosts are lost, before it comes; and that it comes true. */
import { describe, expect, it } from 'vitest';
import { HAGroup, type HAGroupSpec } from '../../../../src/api/kinds/haGroup.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { lossesOf } from '../../../../src/cluster/ha/rehearsal.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { machine } from '../builders.ts';
import { createHaLab } from './haLab.ts';

const NAMES = ['a', 'b', 'c'];
const SETTLED = 15_000;

/** Three hosts of 16 GiB, each with a device that cuts its power. */
async function cluster(spec: Partial<HAGroupSpec> = {}) {
  const lab = await createHaLab(NAMES);
  for (const name of NAMES) lab.addDevice(`bmc-${name}`, { name, plug: name });
  await lab.lead();
  await lab.switchOn();
  lab.addGroup('g', { hosts: NAMES.map((name) => ({ name })), hostFailuresToTolerate: 1, ...spec });
  const status = () => (lab.api.state.get(HAGroup, 'g') as Stored<HAGroup> | undefined)?.status;
  return {
    ...lab,
    addMember: (name: string, on: string, gib: number, priority = 0) =>
      lab.addGuest(name, on, { ha: { group: 'g', priority }, memory: { size: `${gib}Gi` } }),
    /** As somebody applies it: it has no host yet. */
    make: (name: string, gib: number) =>
      void lab.api.seed(
        VirtualMachine,
        machine(name, {
          disks: [{ name: 'root', pool: 'shared', size: '1Gi' }],
          ha: { group: 'g' },
          memory: { size: `${gib}Gi` },
        }),
      ),
    hostOf: (name: string) => lab.guest(name).status?.placement?.host,
    scheduled: (name: string) => findCondition(lab.guest(name).status?.conditions, 'Scheduled'),
    losses: () => status()?.rehearsal,
    tolerated: () => findCondition(status()?.conditions, 'HostFailuresTolerated'),
  };
}

describe('an HAGroup that is to tolerate the loss of a host', () => {
  it('says where each guest would go, and that is where it goes', async () => {
    const lab = await cluster();
    await lab.addMember('db', 'a', 10);
    await lab.addMember('web', 'b', 4);
    await lab.advance(SETTLED);
    expect(lab.tolerated()).toMatchObject({ status: 'True', reason: 'EveryGuestHasAPlace' });
    expect(lab.losses()).toEqual([
      { host: 'a', guests: 1, waiting: 0, moves: [{ guest: 'VirtualMachine/default/db', to: 'c' }] },
      { host: 'b', guests: 1, waiting: 0, moves: [{ guest: 'VirtualMachine/default/web', to: 'c' }] },
    ]);
    lab.powerOff('a');
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').includes('c'), 30_000);
    await lab.resign();
  });

  it('names the guests that would have no host, the less important ones, and takes it back when there is room', async () => {
    const lab = await cluster();
    await lab.addMember('small', 'a', 7);
    await lab.addMember('big', 'a', 8, 10);
    await lab.addMember('b1', 'b', 7);
    await lab.addMember('c1', 'c', 10);
    await lab.advance(SETTLED);
    expect(lab.tolerated()).toMatchObject({
      status: 'False',
      reason: 'GuestsWouldWait',
      message: expect.stringMatching(
        /^if a was lost these would have no host: VirtualMachine\/default\/small \(not enough memory \(b, c\).*Add room or hosts/,
      ),
    });
    expect(lab.losses()?.[0]).toMatchObject({ host: 'a', guests: 2, waiting: 1 });
    expect(lab.losses()?.[0]?.moves.map(({ guest, to }) => [guest.split('/')[2], to])).toEqual([
      ['small', undefined],
      ['big', 'b'],
    ]);
    const more = { status: { allocatable: { cpu: 8, memory: '32Gi' } } };
    for (const name of ['b', 'c']) await lab.api.mergePatch(Host, { name }, more, { subresource: 'status' });
    await lab.advance(SETTLED);
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.resign();
  });

  it('sends guests that it keeps together where all of them fit, and lets all of them wait where they do not', async () => {
    const lab = await cluster({ keepTogether: { policy: 'Required' } });
    await lab.addMember('app', 'a', 7);
    await lab.addMember('db', 'a', 7);
    await lab.addGuest('other', 'b', { ha: { mode: 'Ignored' }, memory: { size: '4Gi' } });
    await lab.advance(SETTLED);
    expect(lab.losses()?.[0]?.moves.map(({ to }) => to)).toEqual(['c', 'c']);
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.addGuest('late', 'c', { ha: { mode: 'Ignored' }, memory: { size: '4Gi' } });
    await lab.advance(SETTLED);
    expect(lab.losses()?.[0]).toMatchObject({ host: 'a', guests: 2, waiting: 2 });
    expect(lab.tolerated()).toMatchObject({ status: 'False', reason: 'GuestsWouldWait' });
    await lab.resign();
  });

  it('puts no two on one host that it keeps apart, also when both of them have lost theirs', async () => {
    const lab = await cluster({ keepApart: { policy: 'Required' }, hostFailuresToTolerate: 2 });
    await lab.addMember('one', 'a', 1);
    await lab.addMember('two', 'b', 1);
    await lab.advance(SETTLED);
    expect(lab.losses()?.map(({ waiting }) => waiting)).toEqual([0, 0]);
    expect(lab.tolerated()).toMatchObject({
      status: 'False',
      message: expect.stringMatching(/^if a and b were lost .*two \(keeps apart from .*one \(c\)\)/),
    });
    await lab.resign();
  });

  it('looks at each two hosts when it is to tolerate the loss of two', async () => {
    const lab = await cluster({ hostFailuresToTolerate: 2 });
    await lab.addMember('a1', 'a', 9);
    await lab.addMember('b1', 'b', 9);
    await lab.advance(SETTLED);
    expect(lab.losses()?.map(({ waiting }) => waiting)).toEqual([0, 0]);
    expect(lab.tolerated()?.message).toMatch(/^if a and b were lost these would have no host: .*b1/);
    await lab.resign();
  });

  it('without being asked says nothing, asked for none only rehearses, and writes nothing while nothing changes', async () => {
    const lab = await cluster({ hostFailuresToTolerate: 0 });
    await lab.addMember('db', 'a', 10);
    await lab.advance(SETTLED);
    expect(lab.losses()).toHaveLength(1);
    expect(lab.tolerated()).toBeUndefined();
    lab.writes.length = 0;
    await lab.advance(60_000);
    expect(lab.writes.filter((write) => write.includes('HAGroup/'))).toEqual([]);
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { hostFailuresToTolerate: null } });
    await lab.advance(1_000);
    expect(lab.losses()).toBeUndefined();
    await lab.resign();
  });
});

describe('a guest of such a group', () => {
  it('is not given the room that others need when a host is lost, and gets it when that is asked for no more', async () => {
    const lab = await cluster();
    await lab.addMember('db', 'a', 10);
    lab.make('second', 10);
    await lab.advance(SETTLED);
    expect(lab.hostOf('second')).toMatch(/^[bc]$/);
    lab.make('third', 10);
    await lab.advance(SETTLED);
    expect(lab.hostOf('third')).toBeUndefined();
    expect(lab.scheduled('third')).toMatchObject({
      status: 'False',
      reason: 'HostFailuresNotTolerated',
      message: expect.stringMatching(
        /it would take the room that HAGroup g keeps for the loss of a host: if .* would have no host: .*lower spec.hostFailuresToTolerate of the group/,
      ),
    });
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { hostFailuresToTolerate: 0 } });
    await lab.until('it has a host', () => lab.hostOf('third') !== undefined, 90_000);
    await lab.resign();
  });

  it('goes to the next best host when the best one keeps its room', async () => {
    const lab = await cluster();
    await lab.addMember('db', 'a', 9);
    await lab.addGuest('other', 'c', { ha: { mode: 'Ignored' }, memory: { size: '8Gi' } });
    // b is empty, and the only host that could take db.
    lab.make('late', 8);
    await lab.advance(SETTLED);
    expect(lab.hostOf('late')).toBe('c');
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.resign();
  });

  it('joins those it is kept together with as long as another host could take all of them', async () => {
    const lab = await cluster({ keepTogether: { policy: 'Required' } });
    await lab.addMember('db', 'a', 4);
    for (const on of ['b', 'c'])
      await lab.addGuest(`other-${on}`, on, { ha: { mode: 'Ignored' }, memory: { size: '6Gi' } });
    lab.make('app', 4);
    await lab.advance(SETTLED);
    expect(lab.hostOf('app')).toBe('a');
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    lab.make('third', 4);
    await lab.advance(SETTLED);
    expect(lab.hostOf('third')).toBeUndefined();
    expect(lab.scheduled('third')).toMatchObject({ reason: 'HostFailuresNotTolerated' });
    await lab.resign();
  });

  it('counts at once: of three that come together two are let in', async () => {
    const lab = await cluster();
    for (const name of ['one', 'two', 'three']) lab.make(name, 10);
    await lab.advance(SETTLED);
    const hosts = ['one', 'two', 'three'].map(lab.hostOf);
    expect(hosts.filter((name) => name !== undefined)).toHaveLength(2);
    expect(lab.tolerated()).toMatchObject({ status: 'True' });
    await lab.resign();
  });
});

describe('losses of several hosts', () => {
  it('are each set of that many, those of the first hosts first, up to a number', () => {
    expect(lossesOf(['a', 'b', 'c'], 2, 10)).toEqual([
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ]);
    expect(lossesOf(['a', 'b', 'c'], 2, 1)).toEqual([['a', 'b']]);
    expect(lossesOf(['a'], 2, 10)).toEqual([]);
  });
});
