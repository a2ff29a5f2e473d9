import { describe, expect, it } from 'vitest';
import { Container } from '../../../src/api/kinds/container.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Migration } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { container, host, machine, notReady } from './builders.ts';
import { createMigrationLab, movable } from './migrationLab.ts';

/** web runs on h1; h2 and h3 are free, h3 has more memory. */
function labWithWeb() {
  const lab = createMigrationLab();
  lab.api.seed(Host, host('h1'));
  lab.api.seed(Host, host('h2'));
  lab.api.seed(Host, host('h3', { allocatable: { cpu: 8, memory: '32Gi' } }));
  lab.api.seed(VirtualMachine, machine('web', {}, movable('h1', 4)));
  return { lab, manager: lab.lead() };
}

type Lab = ReturnType<typeof createMigrationLab>;
const NAT = { kind: 'VirtualMachine', name: 'nat' } as const;

describe('a migration gets its hosts', () => {
  it('the emptiest other one when none is asked for, with the epoch of the placement', async () => {
    const { lab } = labWithWeb();
    expect(await lab.ask('m')).toMatchObject({
      phase: 'Pending',
      type: 'Live',
      sourceHost: 'h1',
      targetHost: 'h3',
      epoch: 4,
      guestUID: lab.api.state.get(VirtualMachine, 'default/web')?.metadata.uid,
    });
    await lab.end();
  });

  it('the one that is asked for, and never one that refuses', async () => {
    const { lab } = labWithWeb();
    expect((await lab.ask('m', { targetHost: 'h2' }))?.targetHost).toBe('h2');
    await lab.end();

    const other = labWithWeb();
    await other.lab.api.mergePatch(Host, { name: 'h2' }, { spec: { unschedulable: true } });
    expect(await other.lab.ask('m', { targetHost: 'h2' })).toMatchObject({
      phase: 'Failed',
      message: 'h2 is unschedulable',
    });
    expect(other.lab.condition('m', 'Stalled')).toMatchObject({ status: 'True', reason: 'TargetRefuses' });
    await other.lab.end();
  });

  it('the one that is asked for as soon as it is ready', async () => {
    const { lab } = labWithWeb();
    const h2 = () => lab.api.state.get(Host, 'h2') as Stored<Host> | undefined;
    const { conditions = [] } = h2()?.status ?? {};
    const say = (status: Host['status']) =>
      lab.api.mergePatch(Host, { name: 'h2' }, { status }, { subresource: 'status' });
    await say({ conditions: notReady('Starting') });
    await lab.ask('m', { targetHost: 'h2' });
    expect(lab.condition('m', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'TargetNotReady',
      message: 'the host h2 is not ready: it begins when it is',
    });
    await say({ conditions });
    await lab.clock.advance(1_000);
    expect(lab.migration('m')?.status?.targetHost).toBe('h2');
    await lab.end();
  });

  it('never one whose kernel cannot do what post-copy needs', async () => {
    const { lab } = labWithWeb();
    const status = { kernelFeatures: ['tun'] };
    await lab.api.mergePatch(Host, { name: 'h3' }, { status }, { subresource: 'status' });
    expect((await lab.ask('m', { allowPostCopy: true }))?.targetHost).toBe('h2');
    await lab.end();

    const other = labWithWeb();
    await other.lab.api.mergePatch(Host, { name: 'h3' }, { status }, { subresource: 'status' });
    expect(await other.lab.ask('m', { allowPostCopy: true, targetHost: 'h3' })).toMatchObject({
      phase: 'Failed',
      message: 'h3 cannot run a guest before its memory is there: its kernel has no userfaultfd',
    });
    expect((await other.lab.ask('n', { targetHost: 'h3' }))?.targetHost).toBe('h3');
    await other.lab.end();
  });

  it('waits without a host that fits, and expires with the reason it waited for', async () => {
    const { lab } = labWithWeb();
    for (const name of ['h2', 'h3']) {
      await lab.api.mergePatch(
        Host,
        { name },
        { status: { conditions: notReady('LeaseExpired') } },
        { subresource: 'status' },
      );
    }
    await lab.ask('m', { startDeadlineSeconds: 60 });
    expect(lab.condition('m', 'Ready')).toMatchObject({ status: 'False', reason: 'NoTarget' });
    await lab.clock.advance(60_000);
    expect(lab.migration('m')?.status).toMatchObject({ phase: 'Failed' });
    expect(lab.condition('m', 'Stalled')?.message).toContain('h2 is not ready (LeaseExpired)');
    await lab.end();
  });

  it('begins by itself when a host comes that fits', async () => {
    const lab = createMigrationLab();
    lab.api.seed(Host, host('h1'));
    lab.api.seed(VirtualMachine, machine('web', {}, movable('h1')));
    lab.lead();
    await lab.ask('m');
    expect(lab.condition('m', 'Ready')?.reason).toBe('NoTarget');
    lab.api.seed(Host, host('h2'));
    await lab.clock.advance(1_000);
    expect(lab.migration('m')?.status?.targetHost).toBe('h2');
    await lab.end();
  });
});

describe('how a guest moves', () => {
  it('a machine that cannot move live moves offline with Auto, and not at all with Live', async () => {
    const { lab } = labWithWeb();
    lab.api.seed(VirtualMachine, machine('nat', {}, movable('h1', 1, 'False')));
    expect(await lab.ask('live', { guest: NAT, type: 'Live' })).toMatchObject({ phase: 'Failed' });
    expect(lab.condition('live', 'Stalled')).toMatchObject({
      reason: 'NotMigratable',
      message: 'eth0 is on the NAT network of its host',
    });
    expect((await lab.ask('auto', { guest: NAT }))?.type).toBe('Offline');
    await lab.end();
  });

  it('a container moves offline', async () => {
    const { lab } = labWithWeb();
    lab.api.seed(Container, { ...container('box'), status: movable('h1') });
    expect((await lab.ask('m', { guest: { kind: 'Container', name: 'box' } }))?.type).toBe('Offline');
    await lab.end();
  });

  it.each([
    [
      'another accelerator',
      { cpu: { count: 8, virtualization: 'vmx', accelerator: 'kvm' } },
      'h2 runs machines by kvm',
    ],
    ['an older QEMU', { qemu: '7.2.1' }, 'h2 has QEMU 7.2.1, older than 7.2.9'],
  ] as const)('never live to a host with %s', async (_what, status, message) => {
    const lab = createMigrationLab();
    lab.api.seed(Host, host('h1', { qemu: '7.2.9' }));
    lab.api.seed(Host, host('h2', { qemu: '7.2.9', ...status }));
    lab.api.seed(VirtualMachine, machine('web', {}, movable('h1')));
    lab.lead();
    expect((await lab.ask('live', { type: 'Live', targetHost: 'h2' }))?.message).toContain(message);
    expect((await lab.ask('offline', { type: 'Offline', targetHost: 'h2' }))?.targetHost).toBe('h2');
    await lab.end();
  });
});

describe('what is promised on the target', () => {
  it('counts there while the guest moves, once, and no longer when the move has failed', async () => {
    const { lab, manager } = labWithWeb();
    await lab.ask('m', { targetHost: 'h2' });
    expect(manager.ledger.allocated('h1').memoryBytes).toBe(2 ** 30);
    expect(manager.ledger.allocated('h2').memoryBytes).toBe(2 ** 30);
    await lab.say('m', { phase: 'Failed', completedAt: '2026-01-01T00:00:00Z' });
    expect(manager.ledger.allocated('h2').memoryBytes).toBe(0);
    await lab.end();
  });

  it('is counted by the guest itself as soon as it is placed there', async () => {
    const { lab, manager } = labWithWeb();
    await lab.ask('m', { targetHost: 'h2' });
    const placement = { host: 'h2', epoch: 5, since: '2026-01-01T00:00:00Z' };
    await lab.api.mergePatch(
      VirtualMachine,
      { namespace: 'default', name: 'web' },
      { status: { placement } },
      { subresource: 'status' },
    );
    await lab.clock.advance(1_000);
    expect(manager.ledger.allocated('h1').memoryBytes).toBe(0);
    expect(manager.ledger.allocated('h2').memoryBytes).toBe(2 ** 30);
    await lab.end();
  });

  it('is promised again by a new leader before it assigns anything', async () => {
    const { lab } = labWithWeb();
    await lab.ask('m', { targetHost: 'h2' });
    const next = lab.lead();
    await lab.clock.advance(1_000);
    expect(next.ledger.allocated('h2').memoryBytes).toBe(2 ** 30);
    await lab.end();
  });
});

describe('volumes that change their pool', () => {
  const pool = (name: string) => ({
    ...{ name, healthy: true, snapshot: false, clone: false, thin: true, resize: true },
  });

  it('need the other pool on the target, and not the one they leave', async () => {
    const lab = createMigrationLab();
    lab.api.seed(Host, host('h1'));
    lab.api.seed(Host, host('h2', { pools: [pool('other')] }));
    lab.api.seed(VirtualMachine, machine('web', {}, movable('h1')));
    lab.lead();
    const to = { targetHost: 'h2' };
    expect(await lab.ask('as-it-is', to)).toMatchObject({
      phase: 'Failed',
      message: 'h2 does not have the pool local',
    });
    expect(await lab.ask('slip', { ...to, storage: [{ pool: 'locla', target: 'other' }] })).toMatchObject({
      phase: 'Failed',
      message: 'spec.storage names the pool locla, in which the guest has no volume',
    });
    expect(await lab.ask('nowhere', { ...to, storage: [{ pool: 'local', target: 'third' }] })).toMatchObject({
      phase: 'Failed',
      message: 'h2 does not have the pool third',
    });
    expect(await lab.ask('m', { ...to, storage: [{ pool: 'local', target: 'other' }] })).toMatchObject({
      targetHost: 'h2',
    });
    await lab.end();
  });

  it('are looked for where an earlier move has put them, whatever the spec says', async () => {
    const lab = createMigrationLab();
    lab.api.seed(Host, host('h1'));
    lab.api.seed(Host, host('h2', { pools: [pool('other')] }));
    const volumes = [{ name: 'root', pool: 'other', id: 'v', size: '1Gi' }];
    lab.api.seed(VirtualMachine, machine('web', {}, { ...movable('h1'), volumes }));
    lab.lead();
    expect(await lab.ask('m', { targetHost: 'h2' })).toMatchObject({ targetHost: 'h2' });
    await lab.end();
  });
});

describe('those that wait', () => {
  it('two guests leave a host at the same time; the next goes by priority when one has ended', async () => {
    const lab = createMigrationLab();
    for (const name of ['h1', 'h2', 'h3', 'h4']) lab.api.seed(Host, host(name));
    for (const name of ['a', 'b', 'c', 'd']) lab.api.seed(VirtualMachine, machine(name, {}, movable('h1')));
    lab.lead();
    const of = (name: string) => ({ guest: { kind: 'VirtualMachine', name } }) as const;
    await lab.ask('a', of('a'));
    await lab.ask('b', of('b'));
    await lab.ask('c', of('c'));
    await lab.ask('d', { ...of('d'), priority: 5 });
    expect(['a', 'b', 'c', 'd'].filter((name) => lab.migration(name)?.status?.targetHost)).toEqual([
      'a',
      'b',
    ]);
    expect(lab.condition('c', 'Ready')).toMatchObject({
      reason: 'Queued',
      message: '2 guests leave h1 already',
    });
    await lab.say('a', { phase: 'Succeeded', completedAt: '2026-01-01T00:00:00Z' });
    expect(lab.migration('d')?.status?.targetHost).toBeDefined();
    expect(lab.migration('c')?.status?.targetHost).toBeUndefined();
    await lab.end();
  });

  it('a host says how many guests may leave it and come to it, also while they wait', async () => {
    const lab = createMigrationLab();
    const limited = (name: string, migrations: NonNullable<Host['spec']['migrations']>): Host => {
      const made = host(name);
      return { ...made, spec: { ...made.spec, migrations } };
    };
    lab.api.seed(Host, limited('h1', { leaving: 1 }));
    lab.api.seed(Host, limited('h2', { arriving: 0 }));
    lab.api.seed(Host, host('h3'));
    for (const name of ['a', 'b']) lab.api.seed(VirtualMachine, machine(name, {}, movable('h1')));
    lab.api.seed(VirtualMachine, machine('c', {}, movable('h3')));
    lab.lead();
    const of = (name: string) => ({ guest: { kind: 'VirtualMachine', name } }) as const;
    await lab.ask('a', { ...of('a'), targetHost: 'h3' });
    await lab.ask('b', { ...of('b'), targetHost: 'h3' });
    await lab.ask('c', { ...of('c'), targetHost: 'h2' });
    expect(lab.migration('a')?.status?.targetHost).toBe('h3');
    expect(lab.condition('b', 'Ready')?.message).toBe('1 guest leaves h1 already');
    expect(lab.condition('c', 'Ready')?.message).toBe('h2 is taking other guests already');
    for (const name of ['h1', 'h2']) {
      await lab.api.mergePatch(Host, { name }, { spec: { migrations: { leaving: 4, arriving: 4 } } });
    }
    await lab.clock.advance(1_000);
    expect(lab.migration('b')?.status?.targetHost).toBe('h3');
    expect(lab.migration('c')?.status?.targetHost).toBe('h2');
    await lab.end();
  });

  it('no more guests move in the cluster than its manager was told', async () => {
    const lab = createMigrationLab();
    for (const name of ['h1', 'h2', 'h3']) lab.api.seed(Host, host(name));
    lab.api.seed(VirtualMachine, machine('a', {}, movable('h1')));
    lab.api.seed(VirtualMachine, machine('b', {}, movable('h2')));
    lab.lead({ inCluster: 1 });
    const of = (name: string) => ({ guest: { kind: 'VirtualMachine', name } }) as const;
    await lab.ask('a', of('a'));
    await lab.ask('b', of('b'));
    expect(lab.condition('b', 'Ready')?.message).toBe('1 guest moves in the cluster already');
    await lab.end();
  });

  it('a guest has one migration at a time', async () => {
    const { lab } = labWithWeb();
    await lab.ask('first');
    await lab.ask('second');
    expect(lab.condition('second', 'Ready')?.reason).toBe('GuestMoves');
    await lab.end();
  });
});

describe('the cluster ends', () => {
  it('the copy that a backup tool restored, without a move', async () => {
    const { lab } = labWithWeb();
    expect(await lab.ask('m', {}, { 'vireo.dev/started': 'm/another-uid' })).toMatchObject({
      phase: 'Skipped',
    });
    expect(lab.migration('m')?.status?.targetHost).toBeUndefined();
    await lab.end();
  });

  const say = (lab: Lab, name: string, state: 'Offline' | 'Fenced' | 'Online') => {
    const conditions = state === 'Online' ? [] : notReady(state);
    return lab.api.mergePatch(Host, { name }, { status: { state, conditions } }, { subresource: 'status' });
  };

  it.each(['Offline', 'Fenced'] as const)(
    'asks the source to give up when the target is lost (%s), unless the guest is there already',
    async (state) => {
      const { lab } = labWithWeb();
      await lab.ask('m', { targetHost: 'h2' });
      await say(lab, 'h2', state);
      await lab.clock.advance(1_000);
      expect(lab.migration('m')?.status).toMatchObject({ cancel: { reason: 'TargetLost' } });
      expect(lab.migration('m')?.status?.completedAt).toBeUndefined();
      await lab.end();
    },
  );

  it.each([
    ['h3', 'Failed'],
    ['h2', 'Succeeded'],
  ] as const)(
    'one whose source was lost, when its guest was recovered on %s: it may move again',
    async (at, phase) => {
      const { lab } = labWithWeb();
      await lab.ask('m', { targetHost: 'h2' });
      await lab.say('m', {
        startedAt: '2026-01-01T00:00:00Z',
        phase: 'Copying',
        source: { state: 'Offering' },
      });
      await say(lab, 'h1', 'Fenced');
      await lab.clock.advance(1_000);
      expect(lab.migration('m')?.status?.completedAt).toBeUndefined();
      const ref = { namespace: 'default', name: 'web' };
      await lab.api.mergePatch(VirtualMachine, ref, { status: movable(at, 5) }, { subresource: 'status' });
      await lab.clock.advance(1_000);
      if (at === 'h2') {
        expect(lab.migration('m')?.status?.completedAt).toBeUndefined();
        await lab.say('m', { target: { state: 'Settled' } });
      }
      expect(lab.migration('m')?.status).toMatchObject({ phase });
      await lab.ask('next');
      expect(lab.migration('next')?.status?.sourceHost).toBe(at);
      await lab.end();
    },
  );

  it('a move whose source Host is gone, and lets its object go', async () => {
    const { lab } = labWithWeb();
    await lab.ask('m', { targetHost: 'h2' });
    await lab.api.mergePatch(
      Migration,
      { namespace: 'default', name: 'm' },
      { metadata: { finalizers: ['vireo.dev/migration-source'] } },
    );
    await lab.api.delete(Host, { name: 'h1' });
    await lab.clock.advance(1_000);
    expect(lab.migration('m')?.status).toMatchObject({ phase: 'Failed' });
    await lab.api.delete(Migration, { namespace: 'default', name: 'm' });
    await lab.clock.advance(1_000);
    expect(lab.migration('m')).toBeUndefined();
    await lab.end();
  });

  it('a finished one after its time to live', async () => {
    const { lab } = labWithWeb();
    await lab.ask('m', { targetHost: 'h1', ttlSecondsAfterFinished: 30 });
    expect(lab.migration('m')?.status).toMatchObject({ phase: 'Succeeded', message: 'the guest is on h1' });
    await lab.clock.advance(31_000);
    expect(lab.migration('m')).toBeUndefined();
    await lab.end();
  });
});
