/** Guests with `ha` on one host: guarded first, started by the manager's word alone, and guests without it as ever. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../src/api/kinds/clusterPolicy.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { createKeeperStub, LIFE } from './keeperStub.ts';
import { createLab, type Lab } from './lab.ts';

const policy = (lab: Lab, spec: ClusterPolicySpec = {}) =>
  lab.user.seed(ClusterPolicy, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'ClusterPolicy',
    metadata: { name: 'default' },
    spec,
  });

const admit = (lab: Lab, name: string, term: number, epoch = 1, state: 'Starting' | 'Stopped' = 'Starting') =>
  lab.patchStatus(VirtualMachine, name, {
    placement: { host: 'h1', epoch, since: '2026-01-01T00:00:00Z', bootID: 'boot-1', term },
    ha: { state, epoch },
  });

const isUp = (lab: Lab, name: string) => () => lab.conditionOf(lab.machine(name), 'Ready')?.status === 'True';
const reasonOf = (lab: Lab, name: string) => lab.conditionOf(lab.machine(name), 'Ready')?.reason;

async function host() {
  const keeper = createKeeperStub();
  const lab = createLab({ keeper: keeper.link });
  lab.createPool('local');
  return { keeper, lab };
}

describe('without a ClusterPolicy', () => {
  it('nothing is asked of a keeper, also for guests with ha', async () => {
    const { keeper, lab } = await host();
    lab.createMachine('web', { ha: {} });
    const agent = await lab.start();
    await lab.until('it runs', isUp(lab, 'web'));
    expect(keeper.asked.filter((what) => what !== 'end')).toEqual([]);
    expect(lab.host()?.status?.keeper).toBeUndefined();
    await agent.stop();
  });
});

describe('with a ClusterPolicy', () => {
  it('a guest without ha starts as ever, also when the keeper is gone', async () => {
    const { keeper, lab } = await host();
    keeper.host.isGone = true;
    policy(lab);
    lab.createMachine('web');
    const agent = await lab.start();
    await lab.until('it runs', isUp(lab, 'web'));
    expect(keeper.asked.filter((what) => what.startsWith('guard'))).toEqual([]);
    await agent.stop();
  });

  it('a guest with ha is guarded, and starts only by the word for this life', async () => {
    const { keeper, lab } = await host();
    policy(lab);
    const { uid } = lab.createMachine('db', { ha: {} }).metadata;
    const agent = await lab.start();
    await lab.until('it waits for the word', () => reasonOf(lab, 'db') === 'NotAdmitted');
    await admit(lab, 'db', 7);
    await lab.clock.advance(10_000);
    expect(lab.starts(lab.idOf('VirtualMachine', 'db'))).toBe(0);
    await admit(lab, 'db', 1);
    await lab.until('it runs', isUp(lab, 'db'));
    expect([...keeper.guarded.keys()]).toEqual([`${uid}@1`]);
    expect(lab.host()?.status?.keeper).toMatchObject({ ...LIFE, watchdog: 'Ready' });
    await agent.stop();
  });

  it('a guest that was off waits until its host is chosen, where the policy asks for the best', async () => {
    const { lab } = await host();
    policy(lab, { rebalancing: { onStart: true } });
    lab.createMachine('db', { ha: {} });
    const agent = await lab.start();
    await lab.until('it waits for the word', () => reasonOf(lab, 'db') === 'NotAdmitted');
    await admit(lab, 'db', 1, 1, 'Stopped');
    await lab.clock.advance(10_000);
    expect([lab.starts(lab.idOf('VirtualMachine', 'db')), reasonOf(lab, 'db')]).toEqual([0, 'NotAdmitted']);
    await admit(lab, 'db', 1);
    await lab.until('it runs', isUp(lab, 'db'));
    await agent.stop();
  });

  it('a guest that was off starts at once where the policy does not', async () => {
    const { lab } = await host();
    policy(lab);
    lab.createMachine('db', { ha: {} });
    const agent = await lab.start();
    await lab.until('it waits for the word', () => reasonOf(lab, 'db') === 'NotAdmitted');
    await admit(lab, 'db', 1, 1, 'Stopped');
    await lab.until('it runs', isUp(lab, 'db'));
    await agent.stop();
  });

  it('a guest with ha does not start while nobody hears the host, nor without its keeper', async () => {
    const { keeper, lab } = await host();
    policy(lab);
    keeper.host.isOpen = false;
    lab.createMachine('db', { ha: {} });
    await admit(lab, 'db', 1);
    const agent = await lab.start();
    await lab.until('it waits', () => reasonOf(lab, 'db') === 'HostNotHeard');
    keeper.host.isGone = true;
    await lab.until('it waits for the keeper', () => reasonOf(lab, 'db') === 'KeeperNotReady');
    expect(lab.starts(lab.idOf('VirtualMachine', 'db'))).toBe(0);
    keeper.host.isGone = false;
    keeper.host.isOpen = true;
    await lab.until('it runs', isUp(lab, 'db'));
    await agent.stop();
  });

  it('a guest killed by the keeper starts again only under a new word', async () => {
    const { keeper, lab } = await host();
    policy(lab);
    lab.createMachine('db', { ha: {} });
    await admit(lab, 'db', 1);
    const agent = await lab.start();
    await lab.until('it runs', isUp(lab, 'db'));
    const id = lab.idOf('VirtualMachine', 'db');
    keeper.host.life = { bootID: 'boot-1', term: 2 };
    keeper.guarded.clear();
    await agent.machines.end(id, 'Crashed');
    await lab.clock.advance(30_000);
    expect(lab.starts(id)).toBe(1);
    expect(lab.host()?.status?.keeper?.term).toBe(2);
    await admit(lab, 'db', 2, 2);
    await lab.until('it runs again', () => lab.starts(id) === 2);
    await agent.stop();
  });

  it('guests found running by a new agent are guarded, and let go when ha is taken away', async () => {
    const { keeper, lab } = await host();
    const { uid } = lab.createMachine('db', { ha: {} }).metadata;
    const first = await lab.start();
    await lab.until('it runs', isUp(lab, 'db'));
    await first.stop();
    policy(lab);
    const second = await lab.start();
    await lab.until('it is guarded', () => keeper.guarded.has(`${uid}@1`));
    expect(lab.starts(lab.idOf('VirtualMachine', 'db'))).toBe(1);
    await lab.edit(VirtualMachine, 'db', { ha: null });
    await lab.until('it is let go', () => keeper.guarded.size === 0);
    await second.stop();
  });

  it('that goes, the keeper is not wanted any more', async () => {
    const { keeper, lab } = await host();
    policy(lab);
    const agent = await lab.start();
    await lab.until('the Host says who keeps it', () => lab.host()?.status?.keeper !== undefined);
    await lab.user.delete(ClusterPolicy, { name: 'default' });
    await lab.until('it is told so', () => keeper.asked.at(-1) === 'end');
    await lab.until('the Host says so', () => lab.host()?.status?.keeper === undefined);
    await agent.stop();
  });
});
