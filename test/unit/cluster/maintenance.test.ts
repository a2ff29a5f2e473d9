import { describe, expect, it } from 'vitest';
import { Container } from '../../../src/api/kinds/container.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Migration } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { container, host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';
import { movable } from './migrationLab.ts';

type Lab = ReturnType<typeof createClusterLab>;
type Migrations = Stored<Migration>[];

/** h1, h2 and h3; `names` run on h1. */
async function threeHosts(...names: string[]) {
  const lab = createClusterLab();
  lab.addHosts(host('h1'), host('h2'), host('h3'));
  for (const name of names) lab.api.seed(VirtualMachine, machine(name, {}, movable('h1')));
  await lab.lead();
  return lab;
}

const moves = (lab: Lab) => lab.api.state.list(Migration) as Migrations;
const open = (lab: Lab) => moves(lab).filter(({ status }) => status?.completedAt === undefined);
const guestOf = (migration: Migration) => migration.spec.guest.name;
const drained = (lab: Lab, name = 'h1') =>
  lab.host(name)?.status?.conditions?.find(({ type }) => type === 'Drained');
const lines = (lab: Lab) =>
  Object.fromEntries(
    (lab.host('h1')?.status?.maintenance?.guests ?? []).map(({ name, state }) => [name, state]),
  );
const stamp = (lab: Lab) => `${new Date(lab.clock.now()).toISOString().slice(0, 19)}Z`;

/** What both agents would write: the guest is on the target. */
async function arrive(lab: Lab, migration: Stored<Migration>) {
  const { name, namespace = 'default' } = migration.metadata;
  const { kind, name: guest } = migration.spec.guest;
  const target = migration.status?.targetHost ?? 'none';
  const placement = { host: target, epoch: (migration.status?.epoch ?? 0) + 1, since: stamp(lab) };
  const ref = { name: guest, namespace };
  const patch = { status: { placement } };
  if (kind === 'Container') await lab.api.mergePatch(Container, ref, patch, { subresource: 'status' });
  else await lab.api.mergePatch(VirtualMachine, ref, patch, { subresource: 'status' });
  const status = { phase: 'Succeeded', startedAt: stamp(lab), completedAt: stamp(lab) };
  await lab.api.mergePatch(Migration, { name, namespace }, { status }, { subresource: 'status' });
  await lab.advance(1_000);
}

/** The only move under way ends without success, after `meanwhile`. Gives its uid. */
async function fails(lab: Lab, status: { startedAt?: string }, meanwhile = async () => {}): Promise<string> {
  const [only, more] = open(lab);
  if (only === undefined || more !== undefined) throw new Error('one move should be under way');
  await meanwhile();
  const failed = { ...status, phase: 'Failed', message: 'the link was cut', completedAt: stamp(lab) };
  await lab.api.mergePatch(Migration, only.metadata, { status: failed }, { subresource: 'status' });
  await lab.advance(1_000);
  return only.metadata.uid;
}

async function arriveAll(lab: Lab) {
  for (let round = 0; round < 10 && open(lab).length > 0; round += 1) {
    for (const migration of open(lab))
      if (migration.status?.targetHost !== undefined) await arrive(lab, migration);
    await lab.advance(1_000);
  }
}

/** What the agent writes of a machine it has stopped, or started. */
async function says(lab: Lab, name: string, running: 'True' | 'False') {
  const conditions = lab
    .machine(name)
    ?.status?.conditions?.map((condition) =>
      condition.type === 'Running' ? { ...condition, status: running } : condition,
    );
  await lab.api.mergePatch(
    VirtualMachine,
    { name, namespace: 'default' },
    { status: { conditions } },
    { subresource: 'status' },
  );
  await lab.advance(1_000);
}

describe('a host that goes down where guests move before', () => {
  const down = (lab: Lab, more = {}) => {
    const one = lab.host('h1');
    if (one === undefined) throw new Error('there is no host h1');
    const shutdown = { kind: 'Reboot' as const, bootID: '', term: 0, since: stamp(lab), ...more };
    lab.api.seed(Host, { ...one, status: { ...one.status, shutdown } });
    return lab.advance(1_000);
  };

  it('is left by all that run, takes nobody, and gets them back when it is up again', async () => {
    const lab = await threeHosts('a', 'b');
    await lab.editHost('h1', { shutdownPolicy: 'Migrate' });
    await down(lab);
    expect(open(lab).map(guestOf)).toEqual(['a', 'b']);
    await arriveAll(lab);
    lab.api.seed(VirtualMachine, machine('new', { placement: { host: 'h1' } }));
    await lab.advance(1_000);
    expect(lab.machine('new')?.status?.conditions?.[0]?.message).toBe('h1 is shutting down');
    await lab.editHost('h1', { shutdownPolicy: 'Migrate' });
    const { status: { shutdown: _, ...status } = {}, ...one } = lab.host('h1') as Stored<Host>;
    lab.api.seed(Host, { ...one, status });
    await lab.advance(1_000);
    await arriveAll(lab);
    expect(['a', 'b'].map((name) => lab.machine(name)?.status?.placement?.host)).toEqual(['h1', 'h1']);
    await lab.resign();
  });

  it('keeps them by any other policy, and once it is down', async () => {
    const lab = await threeHosts('a');
    await down(lab);
    expect(moves(lab)).toEqual([]);
    await lab.editHost('h1', { shutdownPolicy: 'Migrate' });
    await down(lab, { stoppedAt: stamp(lab) });
    expect(open(lab)).toEqual([]);
    await lab.resign();
  });
});

describe('a host in maintenance', () => {
  it('is left by all that run, two at a time, and may be rebooted when they are gone', async () => {
    const lab = await threeHosts('a', 'b', 'c');
    await lab.editHost('h1', { maintenance: { enabled: true, reason: 'new memory' } });
    expect(open(lab).map(guestOf)).toEqual(['a', 'b']);
    expect(lines(lab)).toEqual({ a: 'Moving', b: 'Moving', c: 'Waiting' });
    expect(drained(lab)).toMatchObject({ status: 'False', reason: 'Draining' });
    await arriveAll(lab);
    expect(drained(lab)).toMatchObject({ status: 'True', reason: 'Drained' });
    expect(['a', 'b', 'c'].map((name) => lab.machine(name)?.status?.placement?.host)).not.toContain('h1');
    await lab.resign();
  });

  it('takes nobody new, and leaves those alone that are off', async () => {
    const lab = await threeHosts();
    lab.api.seed(
      VirtualMachine,
      machine(
        'off',
        { runStrategy: 'Halted' },
        { placement: { host: 'h1', epoch: 1, since: '2026-01-01T00:00:00Z' } },
      ),
    );
    await lab.editHost('h1', { maintenance: { enabled: true } });
    lab.api.seed(VirtualMachine, machine('new', { placement: { host: 'h1' } }));
    await lab.advance(1_000);
    expect(lab.machine('new')?.status?.conditions?.[0]?.message).toBe('h1 is in maintenance');
    expect(drained(lab)?.status).toBe('True');
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('moves containers too, by stop and start', async () => {
    const lab = await threeHosts();
    lab.api.seed(Container, { ...container('c'), status: movable('h1') });
    lab.api.state.list(Container);
    await lab.editHost('h1', { maintenance: { enabled: true } });
    expect(open(lab).map(({ spec }) => spec.type)).toEqual(['Offline']);
    await lab.resign();
  });
});

describe('guests that cannot move', () => {
  it('are named with the reason, keep nobody else, and run on after the deadline unless told otherwise', async () => {
    const lab = await threeHosts('a');
    lab.api.seed(VirtualMachine, machine('nat', {}, movable('h1', 1, 'False')));
    lab.api.seed(VirtualMachine, machine('large', { memory: { size: '16Gi' } }, movable('h1')));
    lab.api.seed(VirtualMachine, machine('filler', { memory: { size: '9Gi' } }, movable('h2')));
    lab.api.seed(VirtualMachine, machine('filler3', { memory: { size: '9Gi' } }, movable('h3')));
    await lab.editHost('h1', { maintenance: { enabled: true, deadlineSeconds: 120 } });
    await arriveAll(lab);
    expect(lines(lab)).toEqual({ large: 'Blocked', nat: 'Blocked' });
    expect(drained(lab)).toMatchObject({
      status: 'False',
      reason: 'Blocked',
      message:
        'VirtualMachine default/large: Blocked (h2 has not enough memory left; h3 has not enough memory left); ' +
        'VirtualMachine default/nat: Blocked (eth0 is on the NAT network of its host)',
    });
    await lab.advance(120_000);
    expect(lines(lab)).toEqual({ large: 'Left', nat: 'Left' });
    expect(drained(lab)).toMatchObject({ status: 'False', reason: 'GuestsLeft' });
    await lab.resign();
  });

  it('are stopped at the deadline when that is the fallback, and started again afterwards', async () => {
    const lab = await threeHosts();
    lab.api.seed(VirtualMachine, machine('nat', {}, movable('h1', 1, 'False')));
    const maintenance = { enabled: true, deadlineSeconds: 60, fallback: 'Stop' };
    await lab.editHost('h1', { maintenance });
    expect(lab.machine('nat')?.status?.maintenance).toBeUndefined();
    await lab.advance(61_000);
    expect(lab.machine('nat')?.status?.maintenance).toMatchObject({ host: 'h1', action: 'Stop' });
    expect(drained(lab)).toMatchObject({ status: 'False', reason: 'Draining' });
    await says(lab, 'nat', 'False');
    expect(drained(lab)?.status).toBe('True');
    expect(lines(lab)).toEqual({ nat: 'Stopped' });
    await lab.editHost('h1', { maintenance: null });
    expect(lab.machine('nat')?.status?.maintenance).toBeUndefined();
    expect(lab.machine('nat')?.spec.runStrategy).toBe('Always');
    expect(drained(lab)).toBeUndefined();
    await lab.resign();
  });

  it('are tried again after a failure', async () => {
    const lab = await threeHosts('a');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    const [first] = open(lab);
    const failed = { phase: 'Failed', message: 'the link was cut', completedAt: stamp(lab) };
    await lab.api.mergePatch(
      Migration,
      first?.metadata ?? { name: '' },
      { status: failed },
      { subresource: 'status' },
    );
    await lab.advance(1_000);
    expect(drained(lab)?.message).toBe('VirtualMachine default/a: Blocked (the link was cut)');
    await lab.advance(80_000);
    expect(open(lab).map(({ metadata }) => metadata.uid)).not.toContain(first?.metadata.uid);
    await arriveAll(lab);
    expect(drained(lab)?.status).toBe('True');
    await lab.resign();
  });
});

describe('when maintenance is over', () => {
  const over = { maintenance: { enabled: false } };

  it('guests come back, but not one that a person has moved meanwhile', async () => {
    const lab = await threeHosts('a', 'b');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    await arriveAll(lab);
    const there = lab.machine('b')?.status?.placement;
    const elsewhere = {
      host: there?.host === 'h2' ? 'h3' : 'h2',
      epoch: (there?.epoch ?? 0) + 1,
      since: stamp(lab),
    };
    await lab.api.mergePatch(
      VirtualMachine,
      { name: 'b', namespace: 'default' },
      { status: { placement: elsewhere } },
      { subresource: 'status' },
    );
    await lab.advance(1_000);
    await lab.editHost('h1', over);
    expect(open(lab).map((migration) => [guestOf(migration), migration.spec.targetHost])).toEqual([
      ['a', 'h1'],
    ]);
    await arriveAll(lab);
    expect(lab.machine('a')?.status?.placement?.host).toBe('h1');
    expect(lab.machine('b')?.status?.placement?.host).toBe(elsewhere.host);
    expect([lab.machine('a'), lab.machine('b')].map((guest) => guest?.status?.maintenance)).toEqual([
      undefined,
      undefined,
    ]);
    await lab.resign();
  });

  it('a move that has not ended is given up and the guest stays', async () => {
    const lab = await threeHosts('a');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    expect(open(lab)).toHaveLength(1);
    await lab.editHost('h1', over);
    expect(moves(lab)).toEqual([]);
    await lab.advance(20_000);
    expect(lab.machine('a')?.status?.maintenance).toBeUndefined();
    await lab.resign();
  });

  it('a guest whose move back failed is asked for again, later when it had begun, and is not forgotten', async () => {
    const lab = await threeHosts('a');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    await arriveAll(lab);
    await lab.editHost('h1', over);
    const refused = await fails(lab, {});
    await lab.advance(45_000);
    expect(open(lab)).toEqual([]);
    await lab.advance(35_000);
    expect(open(lab).map(({ metadata }) => metadata.uid)).toEqual([expect.not.stringMatching(refused)]);
    const lost = await fails(lab, { startedAt: stamp(lab) });
    await lab.advance(240_000);
    expect(open(lab)).toEqual([]);
    await lab.advance(80_000);
    expect(open(lab).map(({ metadata }) => metadata.uid)).toEqual([expect.not.stringMatching(lost)]);
    await fails(lab, { startedAt: stamp(lab) }, () => lab.advance(60_000));
    await lab.advance(540_000);
    expect(open(lab)).toEqual([]);
    await lab.advance(80_000);
    await arriveAll(lab);
    expect(lab.machine('a')?.status?.placement?.host).toBe('h1');
    expect(lab.machine('a')?.status?.maintenance).toBeUndefined();
    await lab.resign();
  });

  it('a guest whose move back was called off at the hand-over comes with the next', async () => {
    const lab = await threeHosts('a');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    await arriveAll(lab);
    await lab.editHost('h1', over);
    await fails(lab, { startedAt: stamp(lab) }, async () => {
      const { host: refuge = '', epoch = 0 } = lab.machine('a')?.status?.placement ?? {};
      const placement = { host: refuge, epoch: epoch + 1, since: stamp(lab) };
      await lab.api.mergePatch(
        VirtualMachine,
        { name: 'a', namespace: 'default' },
        { status: { placement } },
        { subresource: 'status' },
      );
      await lab.advance(1_000);
    });
    await lab.advance(20_000);
    await arriveAll(lab);
    expect(lab.machine('a')?.status?.placement?.host).toBe('h1');
    await lab.resign();
  });

  it('a guest waits where it is until the host takes it back', async () => {
    const lab = await threeHosts('a');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    await arriveAll(lab);
    await lab.editHost('h1', { maintenance: { enabled: false }, unschedulable: true });
    expect(open(lab)).toEqual([]);
    await lab.editHost('h1', { unschedulable: null });
    await lab.advance(20_000);
    await arriveAll(lab);
    expect(lab.machine('a')?.status?.placement?.host).toBe('h1');
    await lab.resign();
  });
});

describe('another leader at any moment', () => {
  it('goes on: everybody leaves once and comes back', async () => {
    const lab = await threeHosts('a', 'b', 'c', 'd');
    await lab.editHost('h1', { maintenance: { enabled: true } });
    for (let round = 0; round < 12 && drained(lab)?.status !== 'True'; round += 1) {
      await lab.lead();
      const [next] = open(lab).filter(({ status }) => status?.targetHost !== undefined);
      if (next !== undefined) await arrive(lab, next);
    }
    expect(drained(lab)?.status).toBe('True');
    await lab.lead();
    await lab.editHost('h1', { maintenance: null });
    for (let round = 0; round < 12; round += 1) {
      await lab.lead();
      const [next] = open(lab).filter(({ status }) => status?.targetHost !== undefined);
      if (next !== undefined) await arrive(lab, next);
    }
    const names = ['a', 'b', 'c', 'd'];
    expect(names.map((name) => lab.machine(name)?.status?.placement)).toEqual(
      names.map(() => expect.objectContaining({ host: 'h1', epoch: 3 })),
    );
    expect(names.map((name) => lab.machine(name)?.status?.maintenance)).toEqual(names.map(() => undefined));
    await lab.resign();
  });
});
