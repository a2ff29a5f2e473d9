import { describe, expect, it } from 'vitest';
import { BACKUP_FINALIZER, SNAPSHOT_FINALIZER } from '../../../src/api/cluster.ts';
import { Backup, type BackupStatus } from '../../../src/api/kinds/backup.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Restore } from '../../../src/api/kinds/restore.ts';
import { Rollback } from '../../../src/api/kinds/rollback.ts';
import { Snapshot, type SnapshotStatus } from '../../../src/api/kinds/snapshot.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import { Verify } from '../../../src/api/kinds/verify.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

type Lab = ReturnType<typeof createClusterLab>;
const GUEST = { kind: 'VirtualMachine', name: 'web' } as const;
const snapshotOf = (lab: Lab, name = 's') => lab.get(Snapshot, `default/${name}`);
const rollbackOf = (lab: Lab) => lab.get(Rollback, 'default/r');
const ready = (
  of: { status?: { conditions?: { type: string; reason: string }[] } | undefined } | undefined,
) => of?.status?.conditions?.find(({ type }) => type === 'Ready')?.reason;

const meta = (lab: Lab, name: string) => ({
  name,
  namespace: 'default',
  creationTimestamp: new Date(lab.clock.now()).toISOString(),
});

function seedSnapshot(lab: Lab, name = 's', status?: SnapshotStatus, finalizers: string[] = []) {
  lab.api.seed(Snapshot, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Snapshot',
    metadata: { ...meta(lab, name), finalizers },
    spec: { guest: GUEST },
    ...(status === undefined ? {} : { status }),
  } as Snapshot);
}

function seedRollback(lab: Lab, ttlSecondsAfterFinished?: number) {
  lab.api.seed(Rollback, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Rollback',
    metadata: meta(lab, 'r'),
    spec: { guest: GUEST, snapshot: 's', ...(ttlSecondsAfterFinished ? { ttlSecondsAfterFinished } : {}) },
  } as Rollback);
}

function seedBackup(lab: Lab, status?: BackupStatus, finalizers: string[] = [], pool = 'local') {
  lab.api.seed(Backup, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Backup',
    metadata: { ...meta(lab, 'b'), finalizers },
    spec: { guest: GUEST, pool },
    ...(status === undefined ? {} : { status }),
  } as Backup);
}

async function labWithHosts(...names: string[]) {
  const lab = createClusterLab();
  lab.addHosts(...names.map((name) => host(name)));
  await lab.lead();
  return lab;
}

describe('a Snapshot and a Rollback', () => {
  it('wait for their guest, get its host, and follow it until they have begun', async () => {
    const lab = await labWithHosts('h1', 'h2');
    seedSnapshot(lab);
    seedRollback(lab);
    await lab.advance(1_000);
    expect([ready(snapshotOf(lab)), ready(rollbackOf(lab))]).toEqual(['GuestNotFound', 'GuestNotFound']);
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    await lab.advance(1_000);
    expect([snapshotOf(lab)?.status?.host, rollbackOf(lab)?.status?.host]).toEqual(['h1', 'h1']);
    const placement = { host: 'h2', epoch: 2, since: '2026-01-01T00:00:00Z' };
    const ref = { namespace: 'default', name: 'web' };
    await lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
    await lab.advance(1_000);
    expect([snapshotOf(lab)?.status?.host, rollbackOf(lab)?.status?.host]).toEqual(['h2', 'h2']);
    await lab.resign();
  });

  it('end in time when no host takes them', async () => {
    const lab = await labWithHosts('h1');
    seedSnapshot(lab);
    seedRollback(lab, 60);
    await lab.advance(601_000);
    expect([snapshotOf(lab)?.status?.phase, ready(snapshotOf(lab))]).toEqual(['Failed', 'Expired']);
    expect(rollbackOf(lab)?.status?.phase).toBe('Failed');
    await lab.advance(61_000);
    expect(rollbackOf(lab)).toBeUndefined();
    await lab.resign();
  });

  it('in shared pools goes with its guest, also deleted or half-taken; one in a pool of its host alone stays', async () => {
    const lab = await labWithHosts('h1', 'h2');
    for (const [name, shared] of [
      ['nas', true],
      ['local', false],
    ] as const)
      lab.api.seed(StoragePool, {
        ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'StoragePool', metadata: { name } },
        spec: { type: 'Directory', shared, directory: { path: `/srv/${name}` } },
      });
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    const on = (pool: string) => [
      { name: 'root', pool: 'nas' },
      { name: 'data', pool },
    ];
    seedSnapshot(lab, 'ours', { phase: 'Ready', host: 'h1', volumes: on('nas') });
    seedSnapshot(lab, 'going', { phase: 'Ready', host: 'h1', volumes: on('nas') }, [SNAPSHOT_FINALIZER]);
    seedSnapshot(lab, 'mixed', { phase: 'Ready', host: 'h1', volumes: on('local') });
    seedSnapshot(lab, 'half', { phase: 'Taking', host: 'h1' });
    await lab.advance(1_000);
    await lab.api.delete(Snapshot, { namespace: 'default', name: 'going' });
    lab.silent.add('h1');
    await lab.advance(60_000);
    const placement = { host: 'h2', epoch: 2, since: '2026-01-01T00:00:00Z' };
    const ref = { namespace: 'default', name: 'web' };
    await lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
    await lab.advance(2_000);
    const hosts = ['ours', 'going', 'mixed', 'half'].map((name) => snapshotOf(lab, name)?.status?.host);
    expect(hosts).toEqual(['h2', 'h2', 'h1', 'h2']);
    expect(snapshotOf(lab, 'half')?.status?.phase).toBe('Failed');
    expect(ready(snapshotOf(lab, 'half'))).toBe('HostLost');
    await lab.resign();
  });

  it('say that their host is lost, and end in time when it does not come back', async () => {
    const lab = await labWithHosts('h1');
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    seedSnapshot(lab);
    seedRollback(lab);
    seedBackup(lab);
    await lab.advance(1_000);
    await lab.api.mergePatch(
      Host,
      { name: 'h1' },
      { status: { ha: { state: 'Fenced' } } },
      { subresource: 'status' },
    );
    await lab.advance(2_000);
    const all = () => [snapshotOf(lab), rollbackOf(lab), lab.get(Backup, 'default/b')];
    expect(all().map((job) => [job?.status?.phase, ready(job)])).toEqual(
      Array.from({ length: 3 }, () => ['Pending', 'HostLost']),
    );
    await lab.advance(601_000);
    expect(all().map((job) => [job?.status?.phase, ready(job)])).toEqual(
      Array.from({ length: 3 }, () => ['Failed', 'HostLost']),
    );
    await lab.resign();
  });

  it('are lost with the host they lie on, and held by nobody then', async () => {
    const lab = await labWithHosts('h1');
    seedSnapshot(lab, 's', { phase: 'Ready', host: 'h1' }, [SNAPSHOT_FINALIZER]);
    await lab.advance(1_000);
    await lab.api.delete(Host, { name: 'h1' });
    await lab.advance(1_000);
    expect(snapshotOf(lab)?.status?.phase).toBe('Lost');
    await lab.api.delete(Snapshot, { namespace: 'default', name: 's' });
    await lab.advance(1_000);
    expect(snapshotOf(lab)).toBeUndefined();
    await lab.resign();
  });
});

describe('a Restore', () => {
  it('gets the host of its guest, ends in time when no host takes it, and is deleted in time', async () => {
    const lab = await labWithHosts('h1');
    const seed = (name: string, guest: string) =>
      lab.api.seed(Restore, {
        apiVersion: 'vireo.dev/v1alpha1',
        kind: 'Restore',
        metadata: meta(lab, name),
        spec: { guest: { ...GUEST, name: guest }, backup: 'b', ttlSecondsAfterFinished: 60 },
      } as Restore);
    const restoreOf = (name: string) => lab.get(Restore, `default/${name}`);
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    seed('back', 'web');
    seed('lost', 'other');
    await lab.advance(1_000);
    expect(restoreOf('back')?.status?.host).toBe('h1');
    expect(ready(restoreOf('lost'))).toBe('GuestNotFound');
    await lab.advance(601_000);
    expect(ready(restoreOf('lost'))).toBe('Expired');
    await lab.advance(61_000);
    expect(restoreOf('lost')).toBeUndefined();
    await lab.resign();
  });
});

describe('a guest made from a snapshot', () => {
  const clone = (more: object = {}) =>
    machine('copy', {
      disks: [{ name: 'data', pool: 'local', source: { snapshot: { name: 's' } } }],
      ...more,
    });
  const scheduled = (lab: Lab) =>
    lab.machine('copy')?.status?.conditions?.find(({ type }) => type === 'Scheduled')?.reason;

  it('waits for it and goes to where it lies', async () => {
    const lab = await labWithHosts('h1', 'h2', 'h3');
    lab.api.seed(VirtualMachine, clone());
    await lab.advance(1_000);
    expect(scheduled(lab)).toBe('SnapshotNotReady');
    seedSnapshot(lab, 's', { phase: 'Ready', host: 'h2' });
    await lab.advance(10_000);
    expect(lab.machine('copy')?.status?.placement?.host).toBe('h2');
    await lab.resign();
  });

  it('that asks for another host is told so', async () => {
    const lab = await labWithHosts('h1', 'h2');
    seedSnapshot(lab, 's', { phase: 'Ready', host: 'h2' });
    lab.api.seed(VirtualMachine, clone({ placement: { host: 'h1' } }));
    await lab.advance(1_000);
    expect(scheduled(lab)).toBe('SnapshotElsewhere');
    await lab.resign();
  });
});

describe('a guest made from a backup', () => {
  const scheduled = (lab: Lab) =>
    lab.machine('copy')?.status?.conditions?.find(({ type }) => type === 'Scheduled')?.reason;
  const backedUp = async (more: object = {}) => {
    const lab = await labWithHosts('h1', 'h2', 'h3');
    seedBackup(lab, { phase: 'Succeeded', host: 'h2' });
    const peers = { address: '10.0.0.2', port: 7_000 };
    await lab.api.mergePatch(Host, { name: 'h2' }, { status: { peers } }, { subresource: 'status' });
    const copy = () => {
      const disks = [{ name: 'data', pool: 'local', source: { backup: { name: 'b' } } }];
      lab.api.seed(VirtualMachine, machine('copy', { disks, ...more }));
    };
    return { lab, copy };
  };

  it('goes to where the archive lies', async () => {
    const { lab, copy } = await backedUp();
    copy();
    await lab.advance(10_000);
    expect(lab.machine('copy')?.status?.placement?.host).toBe('h2');
    await lab.resign();
  });

  it('goes where it asks to go, or where it can when it cannot go there: the archive is brought', async () => {
    const { lab, copy } = await backedUp({ placement: { host: 'h3' } });
    copy();
    await lab.advance(10_000);
    expect(lab.machine('copy')?.status?.placement?.host).toBe('h3');
    await lab.resign();
    const full = await backedUp();
    const spec = { unschedulable: true };
    await full.lab.api.mergePatch(Host, { name: 'h2' }, { spec });
    full.copy();
    await full.lab.advance(10_000);
    expect(full.lab.machine('copy')?.status?.placement?.host).toMatch(/h[13]/);
    await full.lab.resign();
  });

  it('waits for a host that others cannot have the archive from', async () => {
    const { lab, copy } = await backedUp({ placement: { host: 'h3' } });
    lab.silent.add('h2');
    await lab.advance(120_000);
    copy();
    await lab.advance(10_000);
    expect(scheduled(lab)).toBe('SnapshotElsewhere');
    await lab.resign();
  });
});

describe('a Backup', () => {
  const backupOf = (lab: Lab) => lab.get(Backup, 'default/b');

  it('waits for its guest, gets its host, says when only a lost one can let it go, and is let go when that is removed', async () => {
    const lab = await labWithHosts('h1', 'h2');
    seedBackup(lab, undefined, [BACKUP_FINALIZER]);
    await lab.advance(1_000);
    expect(ready(backupOf(lab))).toBe('GuestNotFound');
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    await lab.advance(1_000);
    expect(backupOf(lab)?.status?.host).toBe('h1');
    await lab.api.delete(Backup, { namespace: 'default', name: 'b' });
    await lab.advance(1_000);
    expect(backupOf(lab)).toBeDefined();
    lab.silent.add('h1');
    await lab.advance(60_000);
    expect(ready(backupOf(lab))).toBe('HostLost');
    expect(backupOf(lab)?.status).toMatchObject({
      phase: 'Pending',
      message: expect.stringContaining('delete the Host h1'),
    });
    await lab.api.delete(Host, { name: 'h1' });
    await lab.advance(10_000);
    expect(backupOf(lab)).toBeUndefined();
    await lab.resign();
  });

  it('that was under way on a host that is lost is over once its guest is elsewhere, and keeps no other waiting', async () => {
    const lab = await labWithHosts('h1', 'h2');
    lab.api.seed(StoragePool, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'StoragePool',
      metadata: { name: 'local' },
      spec: { type: 'Directory', parallelBackups: 1 },
    } as StoragePool);
    lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
    seedBackup(lab, { phase: 'Running', host: 'h1' }, [BACKUP_FINALIZER]);
    seedSnapshot(lab, 's', { phase: 'Taking', host: 'h1' }, [SNAPSHOT_FINALIZER]);
    const next = (name: string, guest: string) =>
      lab.api.seed(Backup, {
        ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Backup', metadata: meta(lab, name) },
        spec: { guest: { ...GUEST, name: guest }, pool: 'local' },
      } as Backup);
    lab.api.seed(VirtualMachine, machine('other', { placement: { host: 'h2' } }));
    next('of-other', 'other');
    await lab.advance(1_000);
    expect(ready(lab.get(Backup, 'default/of-other'))).toBe('PoolBusy');
    lab.silent.add('h1');
    await lab.advance(60_000);
    expect(backupOf(lab)?.status?.phase).toBe('Running');
    expect(lab.get(Backup, 'default/of-other')?.status?.host).toBe('h2');
    const placement = { host: 'h2', epoch: 2, since: '2026-01-01T00:00:00Z' };
    const ref = { namespace: 'default', name: 'web' };
    await lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
    await lab.advance(1_000);
    for (const job of [backupOf(lab), snapshotOf(lab)])
      expect([job?.status?.phase, ready(job)]).toEqual(['Failed', 'HostLost']);
    await lab.resign();
  });

  it('that is to be imported from a host that does not exist says so, and is imported once that has joined', async () => {
    const lab = await labWithHosts('h1');
    lab.api.seed(Backup, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Backup', metadata: meta(lab, 'b') },
      spec: { guest: GUEST, pool: 'local', import: { archive: 'backup-1', host: 'h9' } },
    } as Backup);
    await lab.advance(2_000);
    expect(ready(backupOf(lab))).toBe('HostNotFound');
    expect(backupOf(lab)?.status?.message).toContain('h9');
    lab.addHosts(host('h9'));
    await lab.advance(61_000);
    expect(backupOf(lab)?.status?.host).toBe('h9');
    await lab.resign();
  });

  it('is made again of an archive that a host has found, once, where its object is lost', async () => {
    const lab = await labWithHosts('h1');
    seedBackup(lab, { phase: 'Succeeded', host: 'h1', completedAt: '2026-01-01T00:00:00Z' });
    await lab.advance(1_000);
    const known = `backup-${backupOf(lab)?.metadata.uid}`;
    const lost = 'backup-00000000-0000-4000-8000-0000000000ab';
    const guest = { kind: 'VirtualMachine', namespace: 'default', name: 'web' } as const;
    const archives = [known, lost].map((archive) => ({
      archive,
      pool: 'local',
      guest,
      takenAt: '2026-01-02T00:00:00Z',
    }));
    await lab.api.mergePatch(Host, { name: 'h1' }, { status: { archives } }, { subresource: 'status' });
    await lab.advance(1_000);
    const again = lab.get(Backup, 'default/web-20260102-000000ab');
    expect(again).toMatchObject({
      spec: { guest: GUEST, pool: 'local', import: { archive: lost, host: 'h1' } },
      status: { host: 'h1' },
    });
    expect(lab.api.state.list(Backup)).toHaveLength(2);
    await lab.lead();
    await lab.advance(61_000);
    expect(lab.api.state.list(Backup)).toHaveLength(2);
    await lab.resign();
  });

  it('is made again of those archives that an admission policy does not refuse', async () => {
    const lab = await labWithHosts('h1');
    const archives = ['a1', 'a2'].map((end, index) => ({
      archive: `backup-00000000-0000-4000-8000-0000000000${end}`,
      pool: 'local',
      guest: { kind: 'VirtualMachine', namespace: 'default', name: index === 0 ? 'refused' : 'web' } as const,
      takenAt: '2026-01-02T00:00:00Z',
    }));
    const create = lab.api.create.bind(lab.api);
    lab.api.create = (async (kind, object, options) => {
      if (object.metadata.name?.startsWith('refused') === true)
        throw new ApiError(422, 'Invalid', 'a policy says no');
      return create(kind, object, options);
    }) as typeof create;
    await lab.api.mergePatch(Host, { name: 'h1' }, { status: { archives } }, { subresource: 'status' });
    await lab.advance(1_000);
    expect(lab.get(Backup, 'default/web-20260102-000000a2')?.status?.host).toBe('h1');
    await lab.resign();
  });

  it('is looked at by a Verify on the host where its archive lies, once it is made', async () => {
    const lab = await labWithHosts('h1', 'h2');
    const seed = (name: string) =>
      lab.api.seed(Verify, {
        apiVersion: 'vireo.dev/v1alpha1',
        kind: 'Verify',
        metadata: meta(lab, name),
        spec: { backup: 'b', ttlSecondsAfterFinished: 60 },
      } as Verify);
    const verifyOf = (name: string) => lab.get(Verify, `default/${name}`);
    seed('v');
    await lab.advance(1_000);
    expect(ready(verifyOf('v'))).toBe('BackupNotFound');
    seedBackup(lab, { phase: 'Succeeded', host: 'h2', completedAt: '2026-01-01T00:00:00Z' });
    await lab.advance(1_000);
    expect(verifyOf('v')?.status?.host).toBe('h2');
    await lab.api.delete(Host, { name: 'h2' });
    await lab.advance(1_000);
    expect(ready(verifyOf('v'))).toBe('HostGone');
    await lab.advance(61_000);
    expect(verifyOf('v')).toBeUndefined();
    await lab.resign();
  });

  it('is waited for by a guest that is to be made from it, which goes to where its archive lies', async () => {
    const lab = await labWithHosts('h1', 'h2', 'h3');
    const disks = [{ name: 'data', pool: 'local', source: { backup: { name: 'b' } } }];
    lab.api.seed(VirtualMachine, machine('again', { disks }));
    await lab.advance(1_000);
    const scheduled = lab.machine('again')?.status?.conditions?.find(({ type }) => type === 'Scheduled');
    expect(scheduled?.reason).toBe('BackupNotReady');
    seedBackup(lab, { phase: 'Succeeded', host: 'h2', completedAt: '2026-01-01T00:00:00Z' });
    await lab.advance(10_000);
    expect(lab.machine('again')?.status?.placement?.host).toBe('h2');
    await lab.resign();
  });

  const has = (...pools: string[]) => ({
    pools: pools.map((name) => ({
      ...{ name, healthy: true, snapshot: false, clone: false, thin: true, resize: true },
    })),
  });
  const seedShared = (lab: Lab) =>
    lab.api.seed(StoragePool, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'StoragePool',
      metadata: { name: 'nas' },
      spec: { type: 'Directory', shared: true, directory: { path: '/nas' } },
    } as StoragePool);
  const verify = (lab: Lab, name: string, more: object = {}) => {
    lab.api.seed(Verify, {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Verify', metadata: meta(lab, name) },
      spec: { backup: 'b', ...more },
    } as Verify);
    return () => lab.get(Verify, `default/${name}`)?.status;
  };
  const made = (host: string) =>
    ({ phase: 'Succeeded', host, completedAt: '2026-01-01T00:00:00Z' }) satisfies BackupStatus;

  it('in a shared pool is looked after by another host that has the pool when its own is lost, has lost the pool, or has gone', async () => {
    const lab = createClusterLab();
    lab.addHosts(
      host('h1', has('nas')),
      host('h2', has('nas')),
      host('h3', has('nas')),
      host('h4', has('local')),
    );
    await lab.lead();
    seedShared(lab);
    seedBackup(lab, made('h1'), [BACKUP_FINALIZER], 'nas');
    const first = verify(lab, 'first');
    await lab.advance(1_000);
    expect(first()?.host).toBe('h1');
    lab.silent.add('h1');
    await lab.advance(60_000);
    expect(backupOf(lab)?.status).toEqual(made('h2'));
    expect(first()).toMatchObject({ host: 'h2', phase: 'Pending' });

    const ref = { name: 'h2' };
    await lab.api.mergePatch(Host, ref, { status: has() }, { subresource: 'status' });
    await lab.advance(1_000);
    expect([backupOf(lab)?.status?.host, first()?.host]).toEqual(['h3', 'h3']);
    // What comes back takes nothing away again.
    lab.silent.delete('h1');
    await lab.advance(60_000);
    expect(backupOf(lab)?.status).toEqual(made('h3'));

    await lab.api.delete(Backup, { namespace: 'default', name: 'b' });
    await lab.api.delete(Host, { name: 'h3' });
    await lab.advance(10_000);
    expect(backupOf(lab)?.metadata.finalizers).toEqual([BACKUP_FINALIZER]);
    expect([backupOf(lab)?.status?.host, first()?.host]).toEqual(['h1', 'h1']);
    await lab.resign();
  });

  it('in a pool of a host that is lost is waited for by its Verifies until their time is over', async () => {
    const lab = await labWithHosts('h1', 'h2');
    seedBackup(lab, made('h1'), [BACKUP_FINALIZER]);
    const early = verify(lab, 'early', { startDeadlineSeconds: 600 });
    await lab.advance(1_000);
    expect(early()?.host).toBe('h1');
    lab.silent.add('h1');
    await lab.advance(60_000);
    const late = verify(lab, 'late', { startDeadlineSeconds: 600 });
    await lab.advance(1_000);
    expect([ready({ status: early() }), ready({ status: late() })]).toEqual(['HostLost', 'HostLost']);
    expect([early()?.phase, late()?.phase]).toEqual(['Pending', 'Pending']);
    await lab.advance(600_000);
    for (const status of [early(), late()]) {
      expect([status?.phase, ready({ status })]).toEqual(['Failed', 'HostLost']);
      expect(status?.message).toContain('h1');
    }
    expect(backupOf(lab)?.status).toEqual(made('h1'));
    const again = verify(lab, 'again', { startDeadlineSeconds: 600 });
    await lab.advance(1_000);
    lab.silent.delete('h1');
    await lab.advance(60_000);
    expect(again()?.host).toBe('h1');
    await lab.resign();
  });

  it('in a shared pool is had on any host that has the pool, also when the one that made it has gone', async () => {
    const lab = createClusterLab();
    lab.addHosts(host('h1', has('local')), host('h2', has('local', 'nas')), host('h3', has('local')));
    await lab.lead();
    seedShared(lab);
    seedBackup(lab, made('gone'), [], 'nas');
    const disks = [{ name: 'data', pool: 'local', source: { backup: { name: 'b' } } }];
    lab.api.seed(VirtualMachine, machine('again', { disks }));
    await lab.advance(10_000);
    expect(lab.machine('again')?.status?.placement?.host).toBe('h2');
    await lab.resign();
  });
});
