/** A directory pool whose host dies between any two of its steps: afterwards a volume is whole or not there, and nothing is lost. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { World } from '../../../../src/base/world.ts';
import type { ArchiveAbout, StoragePool, VolumeRequest } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';
import { copyWhole } from '../../../contract/storage/copying.ts';
import { mortalWorld } from './mortalWorld.ts';

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const owner = { guestUuid: 'uuid-anna', guest: 'anna', disk: 'data' };
const disk: VolumeRequest = {
  id: 'g1-data',
  owner,
  kind: 'Disk',
  format: 'qcow2',
  sizeBytes: 2 * MIB,
  image: 'base',
};
const about: ArchiveAbout = {
  guest: { kind: 'VirtualMachine', namespace: 'default', name: 'anna', uid: 'uid-1', uuid: 'uuid-anna' },
  labels: {},
  spec: {},
  takenAt: '2026-01-01T00:00:00Z',
  mode: 'Snapshot',
  consistency: 'Crash',
  stillMilliseconds: 0,
  compression: 'Zstd',
};
let path: string;
const open = (world: World): Promise<StoragePool> =>
  openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path } });
const openHealthy = () => open({ ...realWorld(), log: silentLog });

/** Runs `work` again and again, dying one step later each time, until it lives through; checks after each death. */
async function dieAtEachStep(
  work: (pool: StoragePool) => Promise<unknown>,
  check: (pool: StoragePool) => Promise<void>,
) {
  const opening = mortalWorld(Number.POSITIVE_INFINITY);
  await open(opening);
  for (let step = opening.count() + 1; ; step += 1) {
    const pool = await open(mortalWorld(step));
    const survived = await work(pool).then(
      () => true,
      () => false,
    );
    await check(await openHealthy());
    expect(await readdir(join(path, '.partial'))).toEqual([]);
    expect(await readdir(join(path, '.staging'))).toEqual([]);
    if (survived) return step;
  }
}

async function publishBase(pool: StoragePool, sourceHash = 'hash-1'): Promise<void> {
  const directory = await pool.images.stage('base');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'base.raw'), Buffer.alloc(MIB, sourceHash));
  await pool.images.publish({ name: 'base', kind: 'Disk', sourceHash, file: join(directory, 'base.raw') });
}

describe('a host that dies while its pool', () => {
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'vireo-crash-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it('makes a volume shows it whole or not at all, and makes it at the next try', async () => {
    await publishBase(await openHealthy());
    const steps = await dieAtEachStep(
      (pool) => pool.create(disk, signal),
      async (pool) => {
        const shown = await pool.observe('g1-data');
        if (shown !== undefined) expect(await pool.attach('g1-data')).toMatchObject({ type: 'File' });
        expect(await pool.create(disk, signal)).toMatchObject({ sizeBytes: 2 * MIB });
        await pool.remove('g1-data', owner);
      },
    );
    expect(steps).toBeGreaterThan(6);
  });

  it('removes a volume has it whole or not at all', async () => {
    await publishBase(await openHealthy());
    await (await openHealthy()).create(disk, signal);
    await dieAtEachStep(
      (pool) => pool.remove('g1-data', owner),
      async (pool) => {
        const shown = await pool.observe('g1-data');
        if (shown !== undefined) expect((await pool.attach('g1-data')).type).toBe('File');
        else await pool.create(disk, signal);
      },
    );
  });

  it('receives volumes shows them whole or not at all, and gets them at the next try', async () => {
    const home = await mkdtemp(join(tmpdir(), 'vireo-crash-source-'));
    const source = await openDirectoryPool({
      world: { ...realWorld(), log: silentLog },
      config: { type: 'Directory', name: 'local', path: home },
    });
    const raw: VolumeRequest = { id: 'g2-data', owner, kind: 'Disk', format: 'raw', sizeBytes: MIB };
    const tree: VolumeRequest = { id: 'g3-rootfs', owner, kind: 'Filesystem', format: 'raw' };
    for (const request of [raw, tree]) await source.create(request, signal);
    await writeFile(join(home, 'volumes', 'g2-data', 'disk.raw'), Buffer.alloc(MIB, 'anna'));
    await writeFile(join(home, 'volumes', 'g3-rootfs', 'rootfs', 'hosts'), 'localhost');
    const receive = async (to: StoragePool) => {
      await copyWhole({ from: source, to }, raw, 'Final');
      await copyWhole({ from: source, to }, tree, 'First');
      await copyWhole({ from: source, to }, tree, 'Final');
    };
    const content = { 'g2-data': 'disk.raw', 'g3-rootfs': 'rootfs/hosts' };
    const steps = await dieAtEachStep(receive, async (to) => {
      const shown = await to.list();
      if (shown.length < 2)
        for (const request of [raw, tree]) await copyWhole({ from: source, to }, request, 'Final');
      for (const [id, file] of Object.entries(content)) {
        const [here, there] = await Promise.all(
          [path, home].map((at) => readFile(join(at, 'volumes', id, file))),
        );
        expect(there?.equals(here ?? Buffer.of())).toBe(true);
        await to.remove(id, owner);
      }
      expect(await readdir(join(path, '.arriving'))).toEqual([]);
    });
    expect(steps).toBeGreaterThan(15);
    await rm(home, { recursive: true, force: true });
  }, 120_000);

  it('grows a disk ends with a file as large as it says', async () => {
    const raw: VolumeRequest = { id: 'g2-data', owner, kind: 'Disk', format: 'raw', sizeBytes: MIB };
    let sizeBytes = MIB;
    await (await openHealthy()).create(raw, signal);
    await dieAtEachStep(
      (pool) => pool.resize('g2-data', sizeBytes + MIB, { running: false }),
      async (pool) => {
        const attachment = await pool.attach('g2-data');
        const shown = await pool.observe('g2-data');
        if (attachment.type !== 'File' || shown === undefined) throw new Error('the volume is gone');
        expect((await readFile(attachment.path)).length).toBe(shown.sizeBytes);
        sizeBytes = shown.sizeBytes;
      },
    );
  });

  it('rolls a disk back has it as it was, or as it was then, and then finishes what it began', async () => {
    await publishBase(await openHealthy());
    const first = await openHealthy();
    await first.create(disk, signal);
    await first.snapshots.take('g1-data', 's-1');
    await first.resize('g1-data', 3 * MIB, { running: false });
    const steps = await dieAtEachStep(
      (pool) => pool.snapshots.rollBack(['g1-data'], 's-1'),
      async (pool) => {
        const shown = await pool.observe('g1-data');
        expect([2 * MIB, 3 * MIB]).toContain(shown?.sizeBytes);
        expect(await pool.attach('g1-data')).toMatchObject({ type: 'File' });
        expect(await pool.snapshots.list('g1-data')).toEqual(['s-1']);
        expect(await readdir(join(path, '.rollbacks'))).toEqual([]);
        await pool.resize('g1-data', 3 * MIB, { running: false });
      },
    );
    expect(steps).toBeGreaterThan(5);
  });

  it('rolls two disks back has both as they were, or both as they were then, and finishes each once', async () => {
    const names = ['g2-data', 'g2-logs'];
    const now = () =>
      Promise.all(names.map(async (name) => (await openHealthy()).resize(name, 3 * MIB, { running: false })));
    const first = await openHealthy();
    for (const id of names) {
      await first.create({ id, owner, kind: 'Disk', format: 'qcow2', sizeBytes: 2 * MIB }, signal);
      await first.snapshots.take(id, 's-1');
    }
    await now();
    const seen = new Set<string>();
    const steps = await dieAtEachStep(
      (pool) => pool.snapshots.rollBack(names, 's-1'),
      async (pool) => {
        const sizes = [];
        for (const name of names) {
          expect(await pool.attach(name)).toMatchObject({ type: 'File' });
          sizes.push(((await pool.observe(name))?.sizeBytes ?? 0) / MIB);
        }
        expect(new Set(sizes).size).toBe(1);
        seen.add(sizes.join());
        for (const left of ['.rollbacks', '.rollback-sets'])
          expect(await readdir(join(path, left))).toEqual([]);
        await now();
        // What came after it stays.
        expect(await (await openHealthy()).observe('g2-data')).toMatchObject({ sizeBytes: 3 * MIB });
      },
    );
    expect(seen).toEqual(new Set(['3,3', '2,2']));
    expect(steps).toBeGreaterThan(15);
  }, 120_000);

  it('restores two disks has both as they were, or both as they were in the archive, and whole', async () => {
    const names = ['g2-data', 'g2-logs'];
    const raw = (id: string): VolumeRequest => ({ id, owner, kind: 'Disk', format: 'raw', sizeBytes: MIB });
    const file = (id: string) => join(path, 'volumes', id, 'disk.raw');
    const [then, now] = [Buffer.alloc(MIB, 'then'), Buffer.alloc(MIB, 'now')];
    const first = await openHealthy();
    await first.archives.filling.begin('backup-1');
    for (const name of names) {
      await first.create(raw(name), signal);
      await writeFile(file(name), then);
      await first.archives.filling.save(
        'backup-1',
        { name, attachment: await first.attach(name) },
        'Zstd',
        signal,
      );
      await writeFile(file(name), now);
    }
    await first.archives.filling.finish('backup-1', about, signal);
    const restore = async (pool: StoragePool) => {
      for (const id of names) {
        const open = () => pool.archives.open('backup-1', id, signal);
        await pool.replacements.prepare({ id, name: 'restore-1', open }, signal);
      }
      await pool.replacements.swap(names, 'restore-1');
    };
    const seen = new Set<string>();
    const steps = await dieAtEachStep(restore, async (pool) => {
      expect(await pool.list()).toHaveLength(2);
      const found = [];
      for (const name of names) {
        expect(await pool.attach(name)).toMatchObject({ type: 'File', path: file(name) });
        const content = await readFile(file(name));
        found.push(content.equals(now) ? 'now' : content.equals(then) ? 'then' : 'neither');
      }
      expect(new Set(found).size).toBe(1);
      seen.add(found.join());
      await restore(pool);
      for (const name of names) expect((await readFile(file(name))).equals(then)).toBe(true);
      for (const left of ['.prepared', '.replacing', '.swaps'])
        expect(await readdir(join(path, left))).toEqual([]);
      // As before, for the next death.
      for (const name of names) {
        await pool.remove(name, owner);
        await pool.create(raw(name), signal);
        await writeFile(file(name), now);
      }
    });
    expect(seen).toEqual(new Set(['now,now', 'then,then']));
    expect(steps).toBeGreaterThan(20);
  }, 120_000);

  it('replaces an image has the old one, the new one or none, never half of one', async () => {
    await publishBase(await openHealthy(), 'hash-1');
    await dieAtEachStep(
      (pool) => publishBase(pool, 'hash-2'),
      async (pool) => {
        const hash = (await pool.images.list())[0]?.sourceHash;
        if (hash === undefined) return publishBase(pool, 'hash-1');
        await pool.create({ ...disk, format: 'raw' }, signal);
        const content = await readFile(join(path, 'volumes', 'g1-data', 'disk.raw'));
        expect(content.subarray(0, MIB).equals(Buffer.alloc(MIB, hash))).toBe(true);
        await pool.remove('g1-data', owner);
        if (hash === 'hash-2') await publishBase(pool, 'hash-1');
      },
    );
  });
});
