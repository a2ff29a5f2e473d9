/** Backups of guests on a simulated host: what becomes of the guest meanwhile, and of the backup when anything dies. */
import { describe, expect, it } from 'vitest';
import { createTelling, findArchives } from '../../../src/agent/pools/archives.ts';
import { decideVerify } from '../../../src/agent/verifies/decide.ts';
import { Namespace } from '../../../src/api/core.ts';
import { Backup, type BackupSpec } from '../../../src/api/kinds/backup.ts';
import { Container } from '../../../src/api/kinds/container.ts';
import { StoragePool } from '../../../src/api/kinds/storagePool.ts';
import type { Verify } from '../../../src/api/kinds/verify.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import type { ArchiveManifest } from '../../../src/drivers/storage/contract.ts';
import { crashEverywhere } from './crashEverywhere.ts';
import { createCrasher } from './crasher.ts';
import { createLab, type Lab } from './lab.ts';

const WEB = { kind: 'VirtualMachine', name: 'web' } as const;
const BOX = { kind: 'Container', name: 'box' } as const;
const webId = (lab: Lab) => lab.idOf('VirtualMachine', 'web');
const life = (lab: Lab) => lab.lives('machines').find(({ id }) => id === webId(lab));
const isReady = (lab: Lab) => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True';
const statusOf = (lab: Lab, name: string) => lab.backup(name)?.status;
const reasonOf = (lab: Lab, name: string) => lab.conditionOf(lab.backup(name), 'Ready')?.reason;
const isOver = (lab: Lab, name: string) => statusOf(lab, name)?.completedAt !== undefined;

function archives(lab: Lab): ArchiveManifest[] {
  return [...lab.disk]
    .filter(([path]) => path.startsWith('/state/pools/local/archives/') && path.endsWith('/manifest.json'))
    .map(([, text]) => JSON.parse(text) as ArchiveManifest);
}

function snapshots(lab: Lab): string[] {
  const pool = JSON.parse(lab.disk.get('/state/pools/local/pool.json') ?? '{}') as {
    snapshots?: Record<string, object>;
  };
  return Object.values(pool.snapshots ?? {}).flatMap((kept) => Object.keys(kept));
}

function createWeb(lab: Lab, spec: object = {}) {
  lab.createPool('local');
  lab.createMachine('web', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }], ...spec });
}

async function labWithWeb(options: Parameters<typeof createLab>[0] = {}) {
  const lab = createLab(options);
  createWeb(lab);
  const agent = await lab.start();
  await lab.until('web is Ready', () => isReady(lab));
  return { lab, agent };
}

async function backUp(
  lab: Lab,
  name: string,
  more: Partial<BackupSpec> = {},
  guest: BackupSpec['guest'] = WEB,
) {
  lab.createBackup(name, guest, more);
  await lab.until(`${name} is over`, () => isOver(lab, name));
}

function checkUntouched(lab: Lab, starts: number) {
  expect(life(lab)).toMatchObject({ state: 'Running' });
  for (const trace of ['frozen', 'copiedAtMs']) expect(life(lab)).not.toHaveProperty(trace);
  expect(lab.record(webId(lab))).not.toHaveProperty('lock');
  expect(lab.machine('web')?.status?.lock).toBeUndefined();
  expect(lab.starts(webId(lab))).toBe(starts);
  expect(snapshots(lab)).toEqual([]);
}

describe('a backup', () => {
  it('of a running machine lets it run on, and says what is in its archive', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 3_000 } });
    lab.createBackup('first', WEB);
    await lab.until(
      'the disks are copied',
      () => life(lab)?.state === 'Running' && 'copiedAtMs' in (life(lab) ?? {}),
    );
    expect(life(lab)).not.toHaveProperty('frozen');
    expect(lab.record(webId(lab))).toMatchObject({ lock: { operation: 'Backup' } });
    await lab.until('its lock is shown', () => lab.machine('web')?.status?.lock?.operation === 'Backup');
    expect(archives(lab)).toEqual([]);
    await lab.until('it is over', () => isOver(lab, 'first'));
    expect(statusOf(lab, 'first')).toMatchObject({
      phase: 'Succeeded',
      mode: 'Snapshot',
      consistency: 'Filesystem',
      archive: `backup-${lab.backup('first')?.metadata.uid}`,
      parts: [{ name: 'data', file: 'data.qcow2', size: '1Gi' }],
    });
    expect(archives(lab)).toMatchObject([
      {
        ...{ guest: { name: 'web' }, spec: { disks: [{ name: 'data' }] }, compression: 'Zstd' },
        versions: { vireo: 'test', spec: 'vireo.dev/v1alpha1' },
      },
    ]);
    await lab.until('the lock is not shown any more', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    await agent.stop();
  });

  it.each(['Stop', 'Snapshot'] as const)(
    'by %s whose time comes while the API server is away waits: its guest could not be started again',
    async (mode) => {
      const { lab, agent } = await labWithWeb();
      const notBefore = new Date(lab.clock.now() + 60_000).toISOString();
      lab.createBackup('later', WEB, { mode, notBefore });
      await lab.until('it waits', () => reasonOf(lab, 'later') === 'NotYet');
      lab.api.intercept = async ({ verb, kind }) => {
        if (verb === 'get' && kind.kind === 'VirtualMachine') throw new Error('the API server is away');
      };
      for (let step = 0; step < 30; step += 1) {
        await lab.clock.advance(3_000);
        expect(life(lab)).toMatchObject({ state: 'Running' });
      }
      delete lab.api.intercept;
      await lab.until('it is made', () => statusOf(lab, 'later')?.phase === 'Succeeded', 120_000);
      expect(statusOf(lab, 'later')?.mode).toBe(mode);
      await agent.stop();
    },
  );

  it('of a container, and of a machine, says every few seconds how much is copied', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 40_000 }, poolLatencyMs: 20_000 });
    lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
    lab.createContainer('box');
    await lab.until(
      'box is Ready',
      () => lab.conditionOf(lab.container('box'), 'Ready')?.status === 'True',
      120_000,
    );
    for (const [name, guest] of [
      ['of-box', BOX],
      ['of-web', WEB],
    ] as const) {
      const said: number[] = [];
      lab.createBackup(name, guest);
      await lab.until(
        `${name} is over`,
        () => {
          const { progress, phase } = statusOf(lab, name) ?? {};
          if (progress !== undefined && progress.percent !== said.at(-1)) said.push(progress.percent);
          return phase === 'Succeeded';
        },
        300_000,
      );
      expect(said.length).toBeGreaterThan(1);
      expect(said.length).toBeLessThan(15);
      expect(said).toEqual(said.toSorted((a, b) => a - b));
      expect(said.at(-1)).toBe(100);
    }
    await agent.stop();
  });

  it('of a machine whose agent cannot freeze is as after a power cut', async () => {
    const { lab, agent } = await labWithWeb();
    lab.faults['default/web'] = { failFreeze: true };
    await backUp(lab, 'crash');
    expect(statusOf(lab, 'crash')).toMatchObject({ phase: 'Succeeded', consistency: 'Crash' });
    checkUntouched(lab, 1);
    await agent.stop();
  });

  it('of a machine whose agent hangs in the freeze is as after a power cut, and the machine is thawed when that goes on, by another agent too', async () => {
    const { lab, agent } = await labWithWeb();
    lab.faults['default/web'] = { hangFreeze: true };
    for (const name of ['hung', 'again']) {
      await backUp(lab, name);
      expect(statusOf(lab, name)).toMatchObject({ phase: 'Succeeded', consistency: 'Crash' });
    }
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    expect(life(lab)).toHaveProperty('frozen');
    await agent.stop();
    const next = await lab.start();
    await lab.clock.advance(60_000);
    delete lab.faults['default/web'];
    await lab.until('it is thawed', () => !('frozen' in (life(lab) ?? {})), 15_000);
    checkUntouched(lab, 1);
    await backUp(lab, 'after');
    expect(statusOf(lab, 'after')).toMatchObject({ phase: 'Succeeded', consistency: 'Filesystem' });
    await next.stop();
  });

  it('of a machine that is off holds it off without starting it, and lets it be started afterwards', async () => {
    const { lab, agent } = await labWithWeb({ poolLatencyMs: 2_000 });
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab)?.state === 'Off');
    lab.createBackup('off', WEB);
    await lab.until('it is locked', () => lab.record(webId(lab))?.lock !== undefined);
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await lab.until('it is over', () => {
      if (archives(lab).length === 0) expect(life(lab)?.state).toBe('Off');
      return isOver(lab, 'off');
    });
    expect(statusOf(lab, 'off')).toMatchObject({
      phase: 'Succeeded',
      consistency: 'Filesystem',
      stillMilliseconds: 0,
    });
    await lab.until('it runs', () => life(lab)?.state === 'Running');
    await agent.stop();
  });

  it('by Stop shuts it down and starts it again', async () => {
    const { lab, agent } = await labWithWeb();
    await backUp(lab, 'stop', { mode: 'Stop' });
    expect(statusOf(lab, 'stop')).toMatchObject({
      phase: 'Succeeded',
      mode: 'Stop',
      consistency: 'Filesystem',
    });
    await lab.until('it runs again', () => isReady(lab) && lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 2);
    await agent.stop();
  });

  it('by Stop starts the machine again before its disks are copied, as they were', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 30_000 } });
    lab.createBackup('stop', WEB, { mode: 'Stop' });
    await lab.until('it runs again, being copied', () => life(lab)?.copiedAtMs !== undefined);
    expect(life(lab)?.state).toBe('Running');
    expect(archives(lab)).toEqual([]);
    await lab.until('it is Ready', () => isReady(lab));
    await lab.until('it is over', () => isOver(lab, 'stop'));
    expect(statusOf(lab, 'stop')).toMatchObject({ phase: 'Succeeded', consistency: 'Filesystem' });
    expect(statusOf(lab, 'stop')?.stillMilliseconds).toBeLessThan(5_000);
    checkUntouched(lab, 2);
    await agent.stop();
  });

  it('by Stop of a machine that comes up at the third try is made from there on', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 30_000 } });
    lab.faults['default/web'] = { failStarts: 3 };
    lab.createBackup('stop', WEB, { mode: 'Stop' });
    await lab.until('it is over', () => isOver(lab, 'stop'), 900_000);
    await lab.until('it runs', () => isReady(lab), 900_000);
    expect(statusOf(lab, 'stop')?.phase).toBe('Succeeded');
    expect(lab.record(webId(lab))).not.toHaveProperty('lock');
    await agent.stop();
  });

  it('of a container reads a snapshot of its pool, and leaves none; by Suspend it reads a copy', async () => {
    const lab = createLab();
    lab.createPool('local');
    lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
    lab.createContainer('box');
    const agent = await lab.start();
    await lab.until('box is Ready', () => lab.conditionOf(lab.container('box'), 'Ready')?.status === 'True');
    await backUp(lab, 'first', {}, BOX);
    expect(statusOf(lab, 'first')).toMatchObject({
      phase: 'Succeeded',
      mode: 'Snapshot',
      consistency: 'Filesystem',
    });
    await backUp(lab, 'second', { mode: 'Suspend' }, BOX);
    expect(statusOf(lab, 'second')).toMatchObject({ phase: 'Succeeded', mode: 'Suspend' });
    expect(snapshots(lab)).toEqual([]);
    expect(lab.lives('containers')).toMatchObject([{ state: 'Running' }]);
    await lab.remove(Container, 'box');
    await lab.until('box is gone', () => lab.container('box') === undefined);
    expect(archives(lab)).toHaveLength(2);
    await agent.stop();
  });

  it('that does not fit fails by name and leaves nothing', async () => {
    const { lab, agent } = await labWithWeb();
    lab.poolFaults.full = true;
    await backUp(lab, 'full');
    expect(reasonOf(lab, 'full')).toBe('PoolFull');
    expect(archives(lab)).toEqual([]);
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    await agent.stop();
  });

  it('for which its pool has no more room in the middle fails by that name, and the machine goes on', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 60_000 } });
    lab.createBackup('large', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    lab.faults['default/web'] = { failCopies: 'No space left on device' };
    await lab.until('it is over', () => isOver(lab, 'large'));
    expect(reasonOf(lab, 'large')).toBe('PoolFull');
    expect(statusOf(lab, 'large')?.message).toMatch(/the pool local has no room/);
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    expect(archives(lab)).toEqual([]);
    await agent.stop();
  });

  it('whose pool goes in the middle fails by name, and the guest goes on, held by nothing', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 60_000 } });
    lab.createBackup('gone', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    lab.poolFaults.missing = true;
    await lab.until('it is over', () => isOver(lab, 'gone'), 120_000);
    expect(reasonOf(lab, 'gone')).toBe('PoolMissing');
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    lab.poolFaults.missing = false;
    await backUp(lab, 'again');
    expect(statusOf(lab, 'again')?.phase).toBe('Succeeded');
    expect(archives(lab)).toHaveLength(1);
    await agent.stop();
  });

  it('that is deleted while its pool is away says so, stays what it was, and goes when the pool is back', async () => {
    const { lab, agent } = await labWithWeb();
    await backUp(lab, 'first');
    lab.poolFaults.missing = true;
    await lab.remove(Backup, 'first');
    await lab.until('it says why', () => reasonOf(lab, 'first') === 'PoolMissing');
    expect(statusOf(lab, 'first')?.phase).toBe('Succeeded');
    expect(lab.conditionOf(lab.backup('first'), 'Ready')?.status).toBe('False');
    lab.poolFaults.missing = false;
    await lab.until('it is gone', () => lab.backup('first') === undefined, 600_000);
    expect(archives(lab)).toEqual([]);
    await agent.stop();
  });

  it('by Stop of a container whose pool goes meanwhile has it running again', async () => {
    const lab = createLab({ poolLatencyMs: 2_000 });
    lab.createPool('local');
    lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
    lab.createContainer('box');
    const agent = await lab.start();
    const isOn = () => lab.conditionOf(lab.container('box'), 'Ready')?.status === 'True';
    await lab.until('box is Ready', isOn);
    lab.createBackup('gone', BOX, { mode: 'Stop' });
    await lab.until('it is off for that', () => lab.container('box')?.status?.phase === 'Stopped');
    lab.poolFaults.missing = true;
    await lab.until('it is over', () => isOver(lab, 'gone'));
    expect(reasonOf(lab, 'gone')).toBe('PoolMissing');
    await lab.until('box runs again', () => isOn() && lab.container('box')?.status?.lock === undefined);
    await agent.stop();
  });

  it('fails when the machine goes off or is deleted in the middle', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 60_000 } });
    lab.createBackup('off', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    await agent.machines.end(webId(lab), 'PoweredOff');
    await lab.until('it is over', () => isOver(lab, 'off'));
    expect(reasonOf(lab, 'off')).toBe('CopyFailed');
    await lab.until('it runs again', () => isReady(lab));
    lab.createBackup('deleted', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    await lab.remove(VirtualMachine, 'web');
    await lab.until('it is over', () => isOver(lab, 'deleted'));
    expect(statusOf(lab, 'deleted')?.phase).toBe('Failed');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    expect(archives(lab)).toEqual([]);
    await agent.stop();
  });

  it('is called off by deletion, and its archive goes with its object unless it is retained', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 60_000 } });
    lab.createBackup('slow', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    await lab.remove(Backup, 'slow');
    await lab.until('it is gone', () => lab.backup('slow') === undefined);
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    await backUp(lab, 'gone');
    await backUp(lab, 'kept', { deletionPolicy: 'Retain' });
    expect(archives(lab)).toHaveLength(2);
    for (const name of ['gone', 'kept']) {
      await lab.remove(Backup, name);
      await lab.until(`${name} is gone`, () => lab.backup(name) === undefined);
    }
    expect(archives(lab)).toHaveLength(1);
    await agent.stop();
  });

  it('waits for its time, and while the host makes as many others as it may', async () => {
    const lab = createLab({ config: { parallelBackups: 1 }, latency: { disksMs: 5_000 } });
    createWeb(lab);
    lab.createMachine('db', { disks: [{ name: 'data', pool: 'local', size: '1Gi' }] });
    const agent = await lab.start();
    await lab.until('web is Ready', () => isReady(lab));
    await lab.until('db is Ready', () => lab.conditionOf(lab.machine('db'), 'Ready')?.status === 'True');
    const notBefore = new Date(lab.clock.now() + 60_000).toISOString();
    lab.createBackup('later', WEB, { notBefore, startDeadlineSeconds: 30 });
    lab.createBackup('first', WEB);
    await lab.until('it waits', () => reasonOf(lab, 'later') === 'NotYet');
    await lab.until('the first is under way', () => statusOf(lab, 'first')?.phase === 'Running');
    lab.createBackup('second', { ...WEB, name: 'db' });
    await lab.until('the second waits', () => reasonOf(lab, 'second') === 'HostBusy');
    expect(lab.record(lab.idOf('VirtualMachine', 'db'))).not.toHaveProperty('lock');
    await lab.until('all are over', () => ['first', 'second', 'later'].every((name) => isOver(lab, name)));
    expect(Date.parse(statusOf(lab, 'later')?.startedAt ?? '')).toBeGreaterThan(
      Date.parse(notBefore) - 1_000,
    );
    expect(statusOf(lab, 'later')?.phase).toBe('Succeeded');
    await agent.stop();
  });

  it('leaves its archive when its whole namespace is deleted', async () => {
    const { lab, agent } = await labWithWeb();
    await backUp(lab, 'first');
    const metadata = {
      name: 'default',
      deletionTimestamp: '2026-01-01T00:00:00Z',
      finalizers: ['kubernetes'],
    };
    lab.user.seed(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata } as Namespace);
    await lab.remove(Backup, 'first');
    await lab.until('it is gone', () => lab.backup('first') === undefined);
    expect(archives(lab)).toHaveLength(1);
    await agent.stop();
  });

  it('waits for other work, is refused by a pool of others, and is skipped as a restored copy', async () => {
    const { lab, agent } = await labWithWeb({ latency: { disksMs: 5_000 } });
    lab.createPool('theirs', { allowedNamespaces: ['theirs'] });
    lab.createBackup('first', WEB);
    await lab.until('it is under way', () => statusOf(lab, 'first')?.phase === 'Running');
    lab.createBackup('second', WEB);
    await lab.until('it waits', () => reasonOf(lab, 'second') === 'GuestLocked');
    lab.createSnapshot('snap', WEB);
    await lab.until(
      'it waits too',
      () => lab.conditionOf(lab.snapshot('snap'), 'Ready')?.reason === 'GuestLocked',
    );
    await lab.until('both are over', () => isOver(lab, 'first') && isOver(lab, 'second'));
    await backUp(lab, 'refused', { pool: 'theirs' });
    expect(reasonOf(lab, 'refused')).toBe('NamespaceNotAllowed');
    lab.createBackup('copy', WEB, {}, { 'vireo.dev/started': 'copy/another-uid' });
    await lab.until('it is skipped', () => statusOf(lab, 'copy')?.phase === 'Skipped');
    expect(archives(lab)).toHaveLength(2);
    await agent.stop();
  });
});

describe('a Verify', () => {
  const verify = async (lab: Lab, name: string, of = 'first') => {
    lab.createVerify(name, of);
    await lab.until(`${name} is over`, () => lab.verify(name)?.status?.completedAt !== undefined);
    return lab.verify(name)?.status?.phase;
  };
  const found = (lab: Lab) => statusOf(lab, 'first')?.verified?.result;

  it('says in the Backup what it found, and again when that has changed', async () => {
    const { lab, agent } = await labWithWeb();
    await backUp(lab, 'first');
    expect(await verify(lab, 'one')).toBe('Succeeded');
    await lab.until('the Backup says so', () => found(lab) === 'Whole');
    expect(lab.conditionOf(lab.backup('first'), 'Verified')).toMatchObject({ status: 'True' });
    const manifest = [...lab.disk.keys()].find((path) => path.includes('/archives/')) ?? '';
    lab.disk.set(manifest, '{}');
    expect(await verify(lab, 'two')).toBe('Failed');
    expect(lab.verify('two')?.status?.completedAt).toBe(lab.verify('one')?.status?.completedAt);
    await lab.until('the Backup says so', () => found(lab) === 'Damaged');
    expect(lab.conditionOf(lab.verify('two'), 'Stalled')?.reason).toBe('ArchiveBroken');
    expect(statusOf(lab, 'first')).toMatchObject({ phase: 'Succeeded', verified: { result: 'Damaged' } });
    expect(lab.conditionOf(lab.backup('first'), 'Verified')).toMatchObject({ status: 'False' });
    await agent.stop();
  });

  it('that cannot look at the archive, as its pool is away, says nothing of it', async () => {
    const { lab, agent } = await labWithWeb();
    await backUp(lab, 'first');
    expect(await verify(lab, 'one')).toBe('Succeeded');
    await lab.until('the Backup says so', () => found(lab) === 'Whole');
    lab.poolFaults.missing = true;
    await lab.clock.advance(1_000);
    expect(await verify(lab, 'two')).toBe('Failed');
    expect(lab.conditionOf(lab.verify('two'), 'Stalled')?.reason).toBe('PoolMissing');
    lab.poolFaults.missing = false;
    await lab.clock.advance(5_000);
    expect(found(lab)).toBe('Whole');
    await agent.stop();
  });

  it('whose pool is away all the time says so at the end, and not only that it is too late', () => {
    const created = Date.parse('2026-01-01T00:00:00Z');
    const metadata = { name: 'v', namespace: 'default', uid: 'v', resourceVersion: '1' };
    const verify: Stored<Verify> = {
      ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Verify', spec: { backup: 'first' } },
      metadata: { ...metadata, creationTimestamp: '2026-01-01T00:00:00Z' },
    };
    const facts = { verify, backup: { phase: 'Succeeded', pool: 'nas' }, isOpen: false } as const;
    const said = (now: number) => decideVerify({ ...facts, now: created + now });
    expect(said(599_000)).toMatchObject({ type: 'wait', reason: 'StoragePoolNotReady', afterMs: 1_000 });
    expect(said(600_000)).toMatchObject({ type: 'end', phase: 'Failed', reason: 'StoragePoolNotReady' });
  });

  it('of a Backup that failed or does not come fails, and says nothing of it', async () => {
    const { lab, agent } = await labWithWeb();
    lab.poolFaults.full = true;
    await backUp(lab, 'first');
    expect(await verify(lab, 'failed')).toBe('Failed');
    lab.createVerify('waiting', 'second');
    await lab.until('it has expired', () => lab.verify('waiting')?.status?.phase === 'Failed', 700_000);
    expect(lab.conditionOf(lab.verify('waiting'), 'Stalled')?.reason).toBe('Expired');
    expect(found(lab)).toBeUndefined();
    await agent.stop();
  });
});

describe('an archive whose Backup was lost', () => {
  /** As after the loss of the cluster's state: the guest and its pool are declared anew. */
  const labWithArchive = async (options: Parameters<typeof createLab>[0] = {}) => {
    const { lab, agent } = await labWithWeb(options);
    await backUp(lab, 'first', { deletionPolicy: 'Retain' });
    const archive = statusOf(lab, 'first')?.archive ?? '';
    await lab.remove(Backup, 'first');
    await lab.until('it is gone', () => lab.backup('first') === undefined);
    return { lab, agent, archive };
  };
  const imported = (lab: Lab, name: string, archive: string, guest: BackupSpec['guest'] = WEB) => {
    lab.createBackup(name, guest, { import: { archive, host: 'h1' } });
    return lab.until(`${name} is over`, () => isOver(lab, name));
  };

  it('is told of by the host when the pool asks for it', async () => {
    const { lab, agent, archive } = await labWithArchive();
    expect(lab.host()?.status).not.toHaveProperty('archives');
    await lab.user.mergePatch(StoragePool, { name: 'local' }, { spec: { importArchives: true } });
    await lab.until('it is told of', () => lab.host()?.status?.archives?.length === 1);
    expect(lab.host()?.status?.archives).toMatchObject([
      { archive, pool: 'local', guest: { kind: 'VirtualMachine', namespace: 'default', name: 'web' } },
    ]);
    await imported(lab, 'again', archive);
    await lab.until('it is told of no more', () => lab.host()?.status?.archives?.length === 0, 120_000);
    await lab.remove(Backup, 'again');
    await lab.until('it is gone', () => lab.backup('again') === undefined);
    await lab.user.mergePatch(StoragePool, { name: 'local' }, { spec: { importArchives: false } });
    await lab.until('nothing is told of', () => lab.host()?.status?.archives?.length === 0);
    await agent.stop();
  });

  const manyOf = (count: number) => {
    const names = Array.from({ length: count }, (_, index) => {
      const number = String(index).padStart(12, '0');
      return `backup-00000000-0000-4000-8000-${number}`;
    });
    const read = async (name: string) => {
      const takenAt = new Date(names.indexOf(name) * 1_000).toISOString();
      return { guest: { ...WEB, namespace: 'default' }, takenAt } as unknown as ArchiveManifest;
    };
    return { names, read, list: async () => names };
  };

  it('is told of in its turn where there are very many: when the newest have Backups again', async () => {
    const { names, ...pool } = manyOf(130);
    const telling = createTelling(30_000);
    const told = async (known: readonly string[], now: number) =>
      telling(await findArchives(pool, new Set(known)), { now, pools: 1 }).map(({ archive }) => archive);
    const newest = await told([], 0);
    expect(newest).toEqual(names.slice(2).reverse());
    expect(await told([], 3_000)).toEqual(newest);
    expect(await told(newest, 60_000)).toEqual(names.slice(0, 2).reverse());
  });

  it('is told of in its turn where the newest stay without a Backup that the host knows: they are those of another host', async () => {
    const { names, ...pool } = manyOf(300);
    const backups = { h1: new Set(names.slice(172)), h2: new Set(names.slice(44, 172)) };
    const telling = { h1: createTelling(30_000), h2: createTelling(30_000) };
    for (const now of [0, 60_000, 120_000])
      for (const host of ['h1', 'h2'] as const)
        for (const { archive } of telling[host](await findArchives(pool, backups[host]), { now, pools: 1 }))
          if (!backups.h1.has(archive) && !backups.h2.has(archive)) backups[host].add(archive);
    expect(backups.h1.size + backups.h2.size).toBe(300);
  });

  it('is told of in its turn also where many pools share what a host can tell', async () => {
    const { names, ...pool } = manyOf(300);
    const found = await findArchives(pool, new Set());
    const telling = createTelling(30_000);
    const told = Array.from({ length: 5 }, (_, at) => telling(found, { now: at * 60_000, pools: 4 }));
    expect(told.map(({ length }) => length)).toEqual([64, 64, 64, 64, 64]);
    expect(new Set(told.flat()).size).toBe(300);
  });

  it('is a Backup again by import, from which guests are made and restored, and goes with it', async () => {
    const { lab, agent, archive } = await labWithArchive();
    await imported(lab, 'again', archive);
    expect(statusOf(lab, 'again')).toMatchObject({ phase: 'Succeeded', archive, parts: [{ name: 'data' }] });
    expect(reasonOf(lab, 'again')).toBe('Imported');
    lab.createMachine('copy', {
      disks: [{ name: 'data', pool: 'local', source: { backup: { name: 'again' } } }],
    });
    await lab.until('it is Ready', () => lab.conditionOf(lab.machine('copy'), 'Ready')?.status === 'True');
    lab.createRestore('back', 'again', WEB, { ifRunning: 'Stop' });
    await lab.until('it is restored', () => lab.restore('back')?.status?.phase === 'Succeeded');
    await lab.remove(Backup, 'again');
    await lab.until('it is gone', () => lab.backup('again') === undefined);
    expect(archives(lab)).toEqual([]);
    await agent.stop();
  });

  it('is read beside its guest, which can be stopped meanwhile', async () => {
    const { lab, agent, archive } = await labWithArchive({ poolLatencyMs: 30_000 });
    lab.createBackup('again', WEB, { import: { archive, host: 'h1' } });
    await lab.until('it is being read', () => statusOf(lab, 'again')?.phase === 'Running');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => life(lab)?.state === 'Off', 10_000);
    expect(isOver(lab, 'again')).toBe(false);
    await lab.until('it is taken in', () => statusOf(lab, 'again')?.phase === 'Succeeded');
    await agent.stop();
  });

  it('of another guest is not had by its name, nor removed by it', async () => {
    const { lab, agent, archive } = await labWithArchive();
    await imported(lab, 'theft', archive, { ...WEB, name: 'other' });
    expect(reasonOf(lab, 'theft')).toBe('ArchiveOfOther');
    await imported(lab, 'none', 'backup-00000000-0000-4000-8000-000000000099');
    expect(reasonOf(lab, 'none')).toBe('ArchiveMissing');
    for (const name of ['theft', 'none']) {
      await lab.remove(Backup, name);
      await lab.until(`${name} is gone`, () => lab.backup(name) === undefined);
    }
    expect(archives(lab)).toHaveLength(1);
    await agent.stop();
  });
});

describe('a guest made from a backup', () => {
  const restored = (lab: Lab) =>
    lab.createMachine('again', {
      disks: [{ name: 'main', pool: 'other', source: { backup: { name: 'first', disk: 'data' } } }],
    });

  it('is another guest, in another pool, also when the first is gone; and waits for a backup that is not made yet', async () => {
    const { lab, agent } = await labWithWeb();
    lab.createPool('other');
    restored(lab);
    await lab.until('it waits', () => {
      const ready = lab.conditionOf(lab.machine('again'), 'Ready');
      return ready?.reason === 'BackupNotReady';
    });
    await backUp(lab, 'first');
    await lab.remove(VirtualMachine, 'web');
    await lab.until('web is gone', () => lab.machine('web') === undefined);
    await lab.until('it is Ready', () => lab.conditionOf(lab.machine('again'), 'Ready')?.status === 'True');
    expect(lab.machine('again')?.status?.volumes).toMatchObject([
      { name: 'main', pool: 'other', size: '1Gi' },
    ]);
    await agent.stop();
  });

  it('is made from the archive of another host in a pool that both share, and waits for one that alone has it', async () => {
    const { lab, agent } = await labWithWeb();
    lab.createPool('other');
    lab.createPool('nas', { shared: true });
    for (const [name, pool] of [
      ['first', 'nas'],
      ['second', 'local'],
    ] as const) {
      await backUp(lab, name, { pool });
      await lab.patchStatus(Backup, name, { host: 'h9' });
    }
    const second = `/archives/backup-${lab.backup('second')?.metadata.uid}/`;
    for (const path of [...lab.disk.keys()]) if (path.includes(second)) lab.disk.delete(path);
    restored(lab);
    const source = { backup: { name: 'second', disk: 'data' } };
    lab.createMachine('never', { disks: [{ name: 'main', pool: 'other', source }] });
    const ready = (name: string) => lab.conditionOf(lab.machine(name), 'Ready');
    await lab.until('it is Ready', () => ready('again')?.status === 'True');
    await lab.until('the other waits', () => ready('never')?.reason === 'HostLost');
    await agent.stop();
  });

  it('says every few seconds how much of its disk is made', async () => {
    const { lab, agent } = await labWithWeb({ poolLatencyMs: 30_000 });
    lab.createPool('other');
    await backUp(lab, 'first');
    restored(lab);
    const ready = () => lab.conditionOf(lab.machine('again'), 'Ready');
    const said = () => lab.conditionOf(lab.machine('again'), 'VolumesReady')?.message ?? ready()?.message;
    await lab.until('it is half made', () => said()?.includes('is being made, 50 %') === true, 120_000);
    await lab.until('it is Ready', () => ready()?.status === 'True', 120_000);
    await agent.stop();
  });

  it('is not made from an archive of which nothing is left', async () => {
    const { lab, agent } = await labWithWeb();
    lab.createPool('other');
    await backUp(lab, 'first');
    for (const path of [...lab.disk.keys()]) if (path.includes('/archives/')) lab.disk.delete(path);
    restored(lab);
    await lab.until(
      'it says so',
      () => lab.conditionOf(lab.machine('again'), 'Ready')?.reason === 'ArchiveMissing',
    );
    await agent.stop();
  });
});

describe('an agent that dies at any moment of a backup', () => {
  const withWeb = async (lab: Lab) => {
    createWeb(lab);
    const agent = await lab.start();
    await lab.until('web is Ready', () => isReady(lab));
    await agent.stop();
  };
  const story = (mode: 'Suspend' | 'Stop', check: (lab: Lab) => void) =>
    crashEverywhere({
      prepare: async (lab) => {
        await withWeb(lab);
        lab.createBackup('first', WEB, { mode });
      },
      isOver: (lab) => isOver(lab, 'first'),
      check: (lab) => {
        expect(statusOf(lab, 'first')).toMatchObject({ phase: 'Succeeded' });
        expect(archives(lab)).toHaveLength(1);
        checkUntouched(lab, mode === 'Stop' ? 2 : 1);
        check(lab);
      },
    });

  it('leaves one that is made in the end, of a machine that goes on', async () => {
    const checkMode = (lab: Lab) => expect(statusOf(lab, 'first')).toMatchObject({ mode: 'Suspend' });
    expect(await story('Suspend', checkMode)).toBeGreaterThan(12);
  }, 120_000);

  it('finds a backup that others have ended meanwhile, and lets its machine go on without it', async () => {
    const lab = createLab({ latency: { disksMs: 60_000 } });
    createWeb(lab);
    const crasher = createCrasher();
    const dying = await lab.start(crasher);
    await lab.until('web is Ready', () => isReady(lab));
    lab.createBackup('lost', WEB);
    await lab.until('the disks are copied', () => 'copiedAtMs' in (life(lab) ?? {}));
    crasher.kill();
    await dying.stop();
    expect(lab.record(webId(lab))).toHaveProperty('lock');
    const status = { phase: 'Failed', completedAt: new Date(lab.clock.now()).toISOString() };
    const ref = { namespace: 'default', name: 'lost' };
    await lab.user.mergePatch(Backup, ref, { status }, { subresource: 'status' });
    const agent = await lab.start();
    await lab.until('the lock is gone', () => lab.record(webId(lab))?.lock === undefined, 30_000);
    await lab.until('the lock is not shown', () => lab.machine('web')?.status?.lock === undefined);
    checkUntouched(lab, 1);
    expect(archives(lab)).toEqual([]);
    expect(statusOf(lab, 'lost')?.phase).toBe('Failed');
    await agent.stop();
  });

  it('has shut the machine down once by Stop, and where that came to nothing says what it is instead', async () => {
    const modes = new Set<string>();
    const noteMode = (lab: Lab) => {
      const { mode = '', message } = statusOf(lab, 'first') ?? {};
      modes.add(mode);
      expect(message).toMatch(mode === 'Stop' ? /archive$/ : /interrupted after the guest had been stopped/);
    };
    expect(await story('Stop', noteMode)).toBeGreaterThan(10);
    expect([...modes].toSorted()).toEqual(['Snapshot', 'Stop']);
  }, 120_000);

  it('has shut a container down once by Stop, and makes the archive anew meanwhile', async () => {
    const isOn = (lab: Lab) => lab.conditionOf(lab.container('box'), 'Ready')?.status === 'True';
    const effects = await crashEverywhere({
      prepare: async (lab) => {
        lab.createPool('local');
        lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
        lab.createContainer('box');
        const agent = await lab.start();
        await lab.until('box is Ready', () => isOn(lab));
        await agent.stop();
        lab.createBackup('first', BOX, { mode: 'Stop' });
      },
      isOver: (lab) => isOver(lab, 'first'),
      check: (lab) => {
        expect(statusOf(lab, 'first')).toMatchObject({ phase: 'Succeeded', mode: 'Stop' });
        expect(archives(lab)).toHaveLength(1);
        expect(isOn(lab)).toBe(true);
        expect(lab.starts(lab.idOf('Container', 'box'))).toBe(2);
      },
    });
    expect(effects).toBeGreaterThan(10);
  }, 120_000);
});
