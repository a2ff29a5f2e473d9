/** Archives of a real directory pool that hold only what changed since others: had back whole, and never without those. */
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Files } from '../../../../src/base/files.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { ArchiveAbout, ArchiveManifest, StoragePool } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 2 ** 20;
const signal = new AbortController().signal;
const real = realWorld();
const about: ArchiveAbout = {
  guest: { kind: 'VirtualMachine', namespace: 'default', name: 'web', uid: 'uid-1', uuid: 'uuid-1' },
  labels: {},
  spec: {},
  takenAt: '2026-01-01T00:00:00Z',
  mode: 'Snapshot',
  consistency: 'Filesystem',
  stillMilliseconds: 0,
  compression: 'Zstd',
};

let root: string;
let pool: StoragePool;
/** What the file system of the pool has left; its own number when undefined. */
let freeBytes: number | undefined;
const space: Files['space'] = async (path) => {
  const found = await real.files.space(path);
  return { ...found, freeBytes: freeBytes ?? found.freeBytes };
};
const openPool = (ageKey?: string, readText: Files['readText'] = real.files.readText) =>
  openDirectoryPool({
    world: { ...real, log: silentLog, files: { ...real.files, readText, space } },
    config: {
      ...{ type: 'Directory', name: 'local', path: join(root, 'pool') },
      ...(ageKey === undefined ? {} : { ageKey: { file: ageKey } }),
    },
  });
const must = async (argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await real.processes.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
};
const disk = () => join(root, 'disk.raw');
const fileOf = (name: string) => join(root, 'pool', 'archives', name, 'data.qcow2');

/** Writes to the disk as a guest does, and the same into the file of an archive as a hypervisor does with what has changed. */
async function archive(
  name: string,
  [letter, atMib]: [string, number],
  base?: string,
  encryption?: 'Age',
): Promise<ArchiveManifest> {
  const bases = base === undefined ? [] : [base];
  await pool.archives.filling.begin(name, { bases, ...(encryption === undefined ? {} : { encryption }) });
  const holdsAll = base === undefined;
  const part = { name: 'data', sizeBytes: 8 * MIB, compression: 'Zstd', holdsAll } as const;
  const to = await pool.archives.filling.target(name, part);
  const write = `write -P ${letter.charCodeAt(0)} ${atMib}M 1M`;
  await must(['qemu-io', '-f', 'raw', '-c', write, disk()]);
  await must(['qemu-io', '-f', 'qcow2', '-c', write, to]);
  pool.archives.filling.holds(
    name,
    'data',
    base === undefined ? { bitmap: 'New' } : { bitmap: 'Used', base },
  );
  return pool.archives.filling.finish(name, about, signal);
}

/** A full one, and two that hold what changed since the one before. */
async function archiveThree(encryption?: 'Age') {
  await archive('backup-1', ['a', 0], undefined, encryption);
  await archive('backup-2', ['b', 2], 'backup-1', encryption);
  return archive('backup-3', ['c', 0], 'backup-2', encryption);
}

async function restore(name: string) {
  const owner = { guestUuid: 'uuid-new', guest: 'new', disk: 'data' };
  const archived = await pool.archives.open(name, 'data', signal);
  await pool.create({ id: 'g1-data', owner, kind: 'Disk', format: 'raw', archived }, signal);
  return (await pool.attach('g1-data')).path;
}

async function flip(name: string): Promise<void> {
  const file = await open(fileOf(name), 'r+');
  const last = (await file.stat()).size - 1;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, last);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, last);
  await file.close();
}

beforeEach(async () => {
  freeBytes = undefined;
  root = await mkdtemp(join(tmpdir(), 'vireo-chains-'));
  pool = await openPool();
  await must(['truncate', '-s', '8M', disk()]);
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('an archive of what changed', () => {
  it('gives the whole disk back, and says what it needs for that', async () => {
    const manifest = await archiveThree();
    expect(manifest).toMatchObject({
      version: 2,
      needs: ['backup-2', 'backup-1'],
      parts: [{ name: 'data', base: 'backup-2', bitmap: 'Used' }],
    });
    expect((await pool.archives.read('backup-1'))?.version).toBe(1);
    expect(await pool.archives.verify('backup-3', signal)).toEqual(manifest);
    await must(['cmp', disk(), await restore('backup-3')]);
  });

  it('that is encrypted does so too, and leaves nothing decrypted', async () => {
    const [key, other] = [join(root, 'key'), join(root, 'other')];
    for (const file of [key, other]) await must(['age-keygen', '-o', file]);
    pool = await openPool(key);
    await archiveThree('Age');
    await must(['cmp', disk(), await restore('backup-3')]);
    await pool.archives.verify('backup-3', signal);
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
    const bases = ['backup-3'];
    expect(await pool.archives.filling.begin('backup-4', { encryption: 'Age', bases })).toHaveLength(1);
    expect(await pool.archives.filling.begin('backup-4', { bases })).toEqual([]);
    pool = await openPool(other);
    expect(await pool.archives.filling.begin('backup-4', { encryption: 'Age', bases })).toEqual([]);
  });

  it('that is encrypted is not opened where there is no room for what is decrypted, and nothing is left', async () => {
    const key = join(root, 'key');
    await must(['age-keygen', '-o', key]);
    pool = await openPool(key);
    await archiveThree('Age');
    freeBytes = 16 * 2 ** 20 + 1;
    await expect(pool.archives.open('backup-3', 'data', signal)).rejects.toMatchObject({
      reason: 'PoolFull',
    });
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
    freeBytes = undefined;
    await must(['cmp', disk(), await restore('backup-3')]);
  });

  it('keeps what it needs from being removed, though it is still being filled', async () => {
    await archiveThree();
    const needed = { reason: 'ArchiveNeeded', stalled: false };
    await expect(pool.archives.remove('backup-1')).rejects.toMatchObject(needed);
    await pool.archives.filling.begin('backup-4', { bases: ['backup-3'] });
    await expect(pool.archives.remove('backup-3')).rejects.toMatchObject(needed);
    expect(await pool.archives.list()).toEqual(['backup-1', 'backup-2', 'backup-3']);
    await pool.archives.verify('backup-3', signal);
    for (const name of ['backup-4', 'backup-3', 'backup-2', 'backup-1']) await pool.archives.remove(name);
    expect(await pool.archives.list()).toEqual([]);
  });

  it('keeps what it needs though the disk does not give its manifest just now', async () => {
    await archiveThree();
    let isIll = true;
    pool = await openPool(undefined, async (path, ...more) => {
      if (isIll && path.endsWith('backup-3/manifest.json'))
        throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
      return real.files.readText(path, ...more);
    });
    await expect(pool.archives.remove('backup-2')).rejects.toMatchObject({ code: 'EIO' });
    isIll = false;
    await expect(pool.archives.remove('backup-2')).rejects.toMatchObject({ reason: 'ArchiveNeeded' });
    await pool.archives.verify('backup-3', signal);
  });

  it('has large clusters only where it holds everything: of a change a whole cluster is copied', async () => {
    await archiveThree();
    const clusterBytes = async (name: string) => {
      const info = await must(['qemu-img', 'info', '--output=json', '-f', 'qcow2', fileOf(name)]);
      return (JSON.parse(info) as { 'cluster-size': number })['cluster-size'];
    };
    expect(await clusterBytes('backup-1')).toBe(256 * 1024);
    expect(await clusterBytes('backup-2')).toBe(64 * 1024);
  });

  it('is not shown when what it was to be based on has gone', async () => {
    await archive('backup-1', ['a', 0]);
    expect(await pool.archives.filling.begin('backup-2', { bases: ['backup-0', 'backup-1'] })).toHaveLength(
      1,
    );
    const disk = { name: 'data', sizeBytes: 8 * MIB, compression: 'Zstd', holdsAll: false } as const;
    await pool.archives.filling.target('backup-2', disk);
    pool.archives.filling.holds('backup-2', 'data', { bitmap: 'Used', base: 'backup-1' });
    await rm(join(root, 'pool', 'archives', 'backup-1'), { recursive: true });
    const finished = pool.archives.filling.finish('backup-2', about, signal);
    await expect(finished).rejects.toMatchObject({ reason: 'ArchiveBaseMissing' });
    expect(await pool.archives.list()).toEqual([]);
  });

  it('is refused by name when one that it needs has gone, was changed, or is another', async () => {
    await archiveThree();
    await flip('backup-1');
    const broken = { reason: 'ArchiveBroken', message: expect.stringContaining('backup-1') };
    await expect(pool.archives.verify('backup-3', signal)).rejects.toMatchObject(broken);
    await expect(restore('backup-3')).rejects.toMatchObject(broken);
    const moved = join(root, 'pool', 'archives', 'backup-2');
    await must(['mv', moved, join(root, 'away')]);
    const missing = { reason: 'ArchiveBaseMissing', message: expect.stringContaining('backup-2') };
    await expect(pool.archives.verify('backup-3', signal)).rejects.toMatchObject(missing);
    await must(['cp', '-r', join(root, 'pool', 'archives', 'backup-1'), moved]);
    await expect(pool.archives.open('backup-3', 'data', signal)).rejects.toMatchObject({
      reason: 'ArchiveBroken',
    });
    expect(await pool.list()).toEqual([]);
  });

  it.each([
    ['a file of the host', { needs: ['../../etc'], base: '../../etc' }],
    ['what it does not say that it needs', { needs: ['backup-2'], base: 'backup-1' }],
    ['itself', { needs: ['backup-3'], base: 'backup-3' }],
  ])('that says it is based on %s is refused', async (_what, { needs, base }) => {
    const manifest = await archiveThree();
    const parts = manifest.parts.map((part) => ({ ...part, base }));
    await writeFile(
      join(root, 'pool', 'archives', 'backup-3', 'manifest.json'),
      JSON.stringify({ ...manifest, needs, parts }),
    );
    await expect(pool.archives.read('backup-3')).rejects.toMatchObject({ reason: 'ArchiveBroken' });
  });

  it('that needs each other in a circle is refused', async () => {
    await archiveThree();
    const path = join(root, 'pool', 'archives', 'backup-1', 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    const { sha256 } = (await pool.archives.read('backup-3'))?.parts[0] ?? {};
    const parts = [{ ...manifest.parts[0], base: 'backup-3', baseSha256: sha256 }];
    await writeFile(path, JSON.stringify({ ...manifest, version: 2, needs: ['backup-3'], parts }));
    await expect(pool.archives.verify('backup-3', signal)).rejects.toMatchObject({ reason: 'ArchiveBroken' });
  });
});

describe('a disk whose changes are recorded', () => {
  const owner = { guestUuid: 'uuid-1', guest: 'web', disk: 'data' };
  const bitmapsOf = async (path: string) =>
    (JSON.parse(await must(['qemu-img', 'info', '--output=json', path]))['format-specific'].data.bitmaps ??
      []) as { name: string; flags: string[] }[];
  const makeDisk = async () => {
    await pool.create({ id: 'g1-data', owner, kind: 'Disk', format: 'qcow2', sizeBytes: 8 * MIB }, signal);
    const { path } = await pool.attach('g1-data');
    await must(['qemu-img', 'bitmap', '--add', path, 'vireo-backup-1']);
    return path;
  };

  it('forgets them when it is rolled back: what was marked says nothing of what it was', async () => {
    const path = await makeDisk();
    await pool.snapshots.take('g1-data', 's-1');
    await pool.snapshots.rollBack(['g1-data'], 's-1');
    expect(await bitmapsOf(path)).toEqual([]);
  });

  it('keeps them when it grows, and forgets those that its machine left unfinished', async () => {
    const path = await makeDisk();
    await pool.resize('g1-data', 16 * MIB, { running: false });
    expect(await bitmapsOf(path)).toHaveLength(1);
    // A process that dies with the file open, as a machine does with its host.
    await real.processes.run(['qemu-io', '-f', 'qcow2', '-c', 'write 0 64k', '-c', 'abort', path]);
    expect((await bitmapsOf(path))[0]?.flags).toContain('in-use');
    await pool.resize('g1-data', 32 * MIB, { running: false });
    expect(await bitmapsOf(path)).toEqual([]);
  });
});
