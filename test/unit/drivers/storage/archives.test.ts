/** Archives of a real directory pool: what is in one can be had back by standard tools, and one that was changed is refused by name. */
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { Processes } from '../../../../src/base/processes.ts';
import type {
  AgeKey,
  ArchiveAbout,
  Compression,
  StoragePool,
} from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 2 ** 20;
const signal = new AbortController().signal;
const real = realWorld();
const about = (compression: Compression): ArchiveAbout => ({
  guest: { kind: 'VirtualMachine', namespace: 'default', name: 'web', uid: 'uid-1', uuid: 'uuid-1' },
  labels: {},
  spec: { runStrategy: 'Always' },
  takenAt: '2026-01-01T00:00:00Z',
  mode: 'Snapshot',
  consistency: 'Filesystem',
  stillMilliseconds: 0,
  compression,
});

let root: string;
let pool: StoragePool;
const openPool = () =>
  openDirectoryPool({
    world: { ...real, log: silentLog },
    config: { type: 'Directory', name: 'local', path: join(root, 'pool') },
  });
const must = async (argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await real.processes.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
};
const shelf = () => join(root, 'pool', 'archives');

async function makeDisk(format: 'raw' | 'qcow2'): Promise<string> {
  const raw = join(root, 'source.raw');
  await writeFile(raw, Buffer.alloc(4 * MIB, 'what is on the disk'));
  await must(['truncate', '-s', '8M', raw]);
  if (format === 'raw') return raw;
  await must(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, join(root, 'source.qcow2')]);
  return join(root, 'source.qcow2');
}

async function archiveDisk(compression: Compression, format: 'raw' | 'qcow2' = 'raw') {
  const attachment = { type: 'File', path: await makeDisk(format), format } as const;
  await pool.archives.filling.begin('backup-1');
  await pool.archives.filling.save('backup-1', { name: 'data', attachment }, compression, signal);
  return pool.archives.filling.finish('backup-1', about(compression), signal);
}

async function changeManifest(change: (manifest: { version: number; parts: { file: string }[] }) => void) {
  const file = join(shelf(), 'backup-1', 'manifest.json');
  const manifest = JSON.parse(await readFile(file, 'utf8'));
  change(manifest);
  await writeFile(file, JSON.stringify(manifest));
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vireo-archives-'));
  pool = await openPool();
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('an archive', () => {
  it.each(['None', 'Gzip', 'Zstd'] as const)(
    'of a disk gives it back by qemu-img, compressed by %s',
    async (compression) => {
      const manifest = await archiveDisk(compression, compression === 'Gzip' ? 'qcow2' : 'raw');
      expect(manifest.parts).toMatchObject([{ name: 'data', file: 'data.qcow2', sizeBytes: 8 * MIB }]);
      const back = join(root, 'back.raw');
      await must(['qemu-img', 'convert', '-O', 'raw', join(shelf(), 'backup-1', 'data.qcow2'), back]);
      await must(['cmp', join(root, 'source.raw'), back]);
      const info = JSON.parse(
        await must(['qemu-img', 'info', '--output=json', join(shelf(), 'backup-1', 'data.qcow2')]),
      );
      expect(info['format-specific'].data['compression-type']).toBe(compression === 'Zstd' ? 'zstd' : 'zlib');
      if (compression !== 'None') expect(manifest.parts[0]?.storedBytes).toBeLessThan(2 * MIB);
      expect(await pool.archives.verify('backup-1', signal)).toEqual(manifest);
    },
  );

  it.each(['None', 'Gzip', 'Zstd'] as const)(
    'of a tree gives it back by tar, compressed by %s',
    async (compression) => {
      const tree = join(root, 'tree');
      await mkdir(join(tree, 'etc'), { recursive: true });
      await writeFile(join(tree, 'etc', 'motd'), 'hello', { mode: 0o640 });
      await symlink('/etc/motd', join(tree, 'link'));
      await must(['truncate', '-s', '32M', join(tree, 'sparse')]);
      const attachment = { type: 'Directory', path: tree, shift: 'Idmapped' } as const;
      await pool.archives.filling.begin('backup-1');
      for (let pass = 0; pass < 2; pass += 1) {
        await pool.archives.filling.gather('backup-1', { name: 'rootfs', attachment }, signal);
        // Of the same size within the same second: only looking into it tells.
        await writeFile(join(tree, 'etc', 'motd'), pass === 0 ? 'HELLO' : 'later');
      }
      await pool.archives.filling.save('backup-1', { name: 'rootfs', attachment }, compression, signal);
      const { parts } = await pool.archives.filling.finish('backup-1', about(compression), signal);
      expect(parts[0]?.storedBytes).toBeLessThan(MIB);
      expect(await pool.archives.verify('backup-1', signal)).toMatchObject({ parts });
      expect(await readdir(join(shelf(), 'backup-1'))).toEqual(['manifest.json', parts[0]?.file]);
      const back = join(root, 'back');
      await mkdir(back);
      await must([
        'tar',
        '-xpf',
        join(shelf(), 'backup-1', String(parts[0]?.file)),
        '--numeric-owner',
        '-C',
        back,
      ]);
      expect(await readFile(join(back, 'etc', 'motd'), 'utf8')).toBe('HELLO');
      expect((await stat(join(back, 'etc', 'motd'))).mode & 0o777).toBe(0o640);
      expect((await stat(join(back, 'sparse'))).size).toBe(32 * MIB);
      expect((await stat(join(back, 'sparse'))).blocks).toBe(0);
    },
  );

  it('is filled by programs that give way to others, when it is to be', async () => {
    const seen: (readonly string[])[] = [];
    const run: Processes['run'] = (argv, options) => {
      seen.push(argv);
      return real.processes.run(argv, options);
    };
    const pipe: Processes['pipe'] = (argv, options) => {
      seen.push(argv);
      return real.processes.pipe(argv, options);
    };
    pool = await openDirectoryPool({
      world: { ...real, log: silentLog, processes: { ...real.processes, run, pipe } },
      config: { type: 'Directory', name: 'local', path: join(root, 'pool') },
    });
    const attachment = { type: 'File', path: await makeDisk('raw'), format: 'raw' } as const;
    for (const ioPriority of [undefined, 'Idle'] as const) {
      seen.length = 0;
      await pool.archives.filling.begin('backup-1', ioPriority === undefined ? {} : { ioPriority });
      await pool.archives.filling.save('backup-1', { name: 'data', attachment }, 'Zstd', signal);
      await pool.archives.filling.finish('backup-1', about('Zstd'), signal);
      const [copied, summed] = ['convert', 'dgst'].map((word) => seen.find((argv) => argv.includes(word)));
      expect([copied?.[0], summed?.[0]]).toEqual(
        ioPriority === undefined ? ['env', 'openssl'] : ['ionice', 'ionice'],
      );
      expect((await pool.archives.verify('backup-1', signal)).parts).toHaveLength(1);
      await pool.archives.remove('backup-1');
    }
  });

  it('is read no faster than it may be', async () => {
    const tree = join(root, 'tree');
    await mkdir(tree);
    await writeFile(join(tree, 'file'), Buffer.alloc(2 * MIB, 'much'));
    const sources = [
      { name: 'data', attachment: { type: 'File', path: await makeDisk('raw'), format: 'raw' } },
      { name: 'rootfs', attachment: { type: 'Directory', path: tree, shift: 'Idmapped' } },
    ] as const;
    await pool.archives.filling.begin('backup-1');
    for (const source of sources) {
      const began = performance.now();
      await pool.archives.filling.save('backup-1', { ...source, bytesPerSecond: MIB }, 'Zstd', signal);
      expect(performance.now() - began).toBeGreaterThan(900);
    }
    await pool.archives.filling.finish('backup-1', about('Zstd'), signal);
    expect((await pool.archives.verify('backup-1', signal)).parts).toHaveLength(2);
  });

  it('that is half-made is not seen, and goes when the pool is opened again', async () => {
    const attachment = { type: 'File', path: await makeDisk('raw'), format: 'raw' } as const;
    await pool.archives.filling.begin('backup-1');
    await pool.archives.filling.save('backup-1', { name: 'data', attachment }, 'None', signal);
    expect(await pool.archives.read('backup-1')).toBeUndefined();
    expect(await readdir(shelf())).toEqual([]);
    pool = await openPool();
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
  });

  it('whose pool goes in the middle is seen neither there nor in its place, and is made when it is back', async () => {
    const attachment = { type: 'File', path: await makeDisk('raw'), format: 'raw' } as const;
    const [place, away] = [join(root, 'pool'), join(root, 'away')];
    const fill = async () => {
      await pool.archives.filling.begin('backup-1');
      await pool.archives.filling.save('backup-1', { name: 'data', attachment }, 'Zstd', signal);
    };
    await fill();
    await rename(place, away);
    await expect(pool.archives.filling.finish('backup-1', about('Zstd'), signal)).rejects.toThrow();
    await expect(pool.archives.remove('backup-1')).rejects.toMatchObject({ reason: 'PoolMissing' });
    expect(await readdir(root)).not.toContain('pool');
    await rename(away, place);
    expect(await pool.archives.list()).toEqual([]);
    await fill();
    await pool.archives.filling.finish('backup-1', about('Zstd'), signal);
    expect(await pool.archives.list()).toEqual(['backup-1']);
    expect(await readdir(join(place, '.partial'))).toEqual([]);
  });

  it('whose pool is away is not called missing or broken: nothing was looked at', async () => {
    await archiveDisk('Zstd');
    const [place, away] = [join(root, 'pool'), join(root, 'away')];
    await rename(place, away);
    const gone = { reason: 'PoolMissing' };
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject(gone);
    await expect(pool.archives.open('backup-1', 'data', signal)).rejects.toMatchObject(gone);
    await rename(away, place);
    await pool.archives.verify('backup-1', signal);
  });

  it('is removed, whole or not, however often', async () => {
    await archiveDisk('Zstd');
    await pool.archives.filling.begin('backup-2');
    for (const name of ['backup-1', 'backup-1', 'backup-2']) await pool.archives.remove(name);
    expect(await readdir(shelf())).toEqual([]);
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject({
      reason: 'ArchiveMissing',
    });
  });

  it('with a flipped byte, a part that is cut off or none is named as broken', async () => {
    await archiveDisk('Zstd');
    const file = join(shelf(), 'backup-1', 'data.qcow2');
    const broken = { reason: 'ArchiveBroken' };
    const part = await open(file, 'r+');
    const { buffer } = await part.read(Buffer.alloc(1), 0, 1, 65_536);
    await part.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 65_536);
    await part.close();
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject(broken);
    await must(['truncate', '-s', '-1', file]);
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject(broken);
    await rm(file);
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject(broken);
    await rm(join(shelf(), 'backup-1', 'manifest.json'));
    await expect(pool.archives.read('backup-1')).rejects.toMatchObject(broken);
  });

  it.each(['../../volumes/x', '/etc/shadow', '..', 'manifest.json', '.hidden'])(
    'that wants the file %s read is refused',
    async (outside) => {
      await archiveDisk('None');
      await changeManifest(({ parts }) => {
        for (const part of parts) part.file = outside;
      });
      await expect(pool.archives.read('backup-1')).rejects.toMatchObject({ reason: 'ArchiveBroken' });
    },
  );

  it('whose part is a link to somewhere else is refused', async () => {
    await archiveDisk('None');
    const file = join(shelf(), 'backup-1', 'data.qcow2');
    await must(['mv', file, join(root, 'elsewhere')]);
    await symlink(join(root, 'elsewhere'), file);
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject({ reason: 'ArchiveBroken' });
  });

  it('that was written badly is found out though all sums are right', async () => {
    await archiveDisk('None');
    const part = join(shelf(), 'backup-1', 'data.qcow2');
    await must(['truncate', '-s', '100', part]);
    const [sha256 = ''] = (await must(['sha256sum', part])).split(' ');
    await changeManifest((manifest) => {
      for (const each of manifest.parts) Object.assign(each, { sha256, storedBytes: 100 });
    });
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject({ reason: 'ArchiveBroken' });
  });

  it.each<[string, (path: string) => AgeKey]>([
    ['in a file of the host', (file) => ({ file })],
    ['that is told', (file) => ({ told: () => readFile(file, 'utf8'), file: '/no/such/file' })],
  ])('that is encrypted is had back by the key %s, or by age, and by no other', async (_where, keyIn) => {
    const [key, other] = [join(root, 'key'), join(root, 'other')];
    for (const file of [key, other]) await must(['age-keygen', '-o', file]);
    const seen: string[] = [];
    const run: Processes['run'] = (argv, options) => {
      seen.push(...argv);
      return real.processes.run(argv, options);
    };
    const openWith = (file?: string) =>
      openDirectoryPool({
        world: { ...real, log: silentLog, processes: { ...real.processes, run } },
        config: {
          ...{ type: 'Directory', name: 'local', path: join(root, 'pool') },
          ...(file === undefined ? {} : { ageKey: keyIn(file) }),
        },
      });
    const attachment = { type: 'File', path: await makeDisk('raw'), format: 'raw' } as const;
    await expect(pool.archives.filling.begin('backup-1', { encryption: 'Age' })).rejects.toMatchObject({
      reason: 'KeyMissing',
    });
    pool = await openWith(key);
    await pool.archives.filling.begin('backup-1', { encryption: 'Age' });
    await pool.archives.filling.save('backup-1', { name: 'data', attachment }, 'Zstd', signal);
    const manifest = await pool.archives.filling.finish('backup-1', about('Zstd'), signal);
    const recipient = (await must(['age-keygen', '-y', key])).trim();
    expect(manifest).toMatchObject({
      encryption: { format: 'age', recipient },
      parts: [{ file: 'data.qcow2.age' }],
    });
    expect(await readdir(join(shelf(), 'backup-1'))).toEqual(['data.qcow2.age', 'manifest.json']);
    expect(await pool.archives.verify('backup-1', signal)).toEqual(manifest);
    const owner = { guestUuid: 'uuid-new', guest: 'new', disk: 'data' };
    const archived = await pool.archives.open('backup-1', 'data', signal);
    await pool.create({ id: 'g1-data', owner, kind: 'Disk', format: 'raw', archived }, signal);
    await must(['cmp', '-n', String(8 * MIB), join(root, 'source.raw'), (await pool.attach('g1-data')).path]);
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
    const plain = join(root, 'plain.qcow2');
    await must(['age', '-d', '-i', key, '-o', plain, join(shelf(), 'backup-1', 'data.qcow2.age')]);
    await must(['qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', plain, join(root, 'source.raw')]);
    pool = await openWith(other);
    await expect(pool.archives.open('backup-1', 'data', signal)).rejects.toMatchObject({
      reason: 'KeyWrong',
    });
    pool = await openWith();
    await expect(pool.archives.verify('backup-1', signal)).rejects.toMatchObject({ reason: 'KeyMissing' });
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
    expect(seen).toContain('age');
    expect(seen.filter((argument) => argument.includes('AGE-SECRET-KEY'))).toEqual([]);
  });

  it('of a newer version says that a newer Vireo is needed', async () => {
    await archiveDisk('None');
    await changeManifest((manifest) => {
      manifest.version = 3;
    });
    await expect(pool.archives.read('backup-1')).rejects.toMatchObject({ reason: 'ArchiveTooNew' });
  });
});

describe('a volume made from an archive', () => {
  const owner = { guestUuid: 'uuid-new', guest: 'new', disk: 'data' };
  const disk = { id: 'g1-data', owner, kind: 'Disk', format: 'raw' } as const;
  const restore = async (more: object = {}) => {
    const archived = await pool.archives.open('backup-1', 'data', signal);
    return pool.create({ ...disk, ...more, archived }, signal);
  };

  it('is the disk that was saved, and grows to what is asked for', async () => {
    await archiveDisk('Zstd');
    expect(await restore({ sizeBytes: 16 * MIB })).toMatchObject({ sizeBytes: 16 * MIB, owner });
    const made = await pool.attach('g1-data');
    await must(['cmp', '-n', String(8 * MIB), join(root, 'source.raw'), made.path]);
  });

  it('is refused where it does not fit, where nothing of that name was saved, and where a part was changed', async () => {
    await archiveDisk('None');
    await expect(restore({ sizeBytes: MIB })).rejects.toMatchObject({ reason: 'SizeTooSmall' });
    await expect(restore({ kind: 'Filesystem' })).rejects.toMatchObject({ reason: 'ArchiveBroken' });
    await expect(pool.archives.open('backup-1', 'root', signal)).rejects.toMatchObject({
      reason: 'ArchiveMissing',
    });
    await must(['truncate', '-s', '-1', join(shelf(), 'backup-1', 'data.qcow2')]);
    await expect(restore()).rejects.toMatchObject({ reason: 'ArchiveBroken' });
    expect(await pool.list()).toEqual([]);
  });

  it('is compared while it is made: one byte that is another shows nothing, and leaves nothing', async () => {
    await archiveDisk('None');
    const part = join(shelf(), 'backup-1', 'data.qcow2');
    const file = await open(part, 'r+');
    const last = (await file.stat()).size - 1;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, last);
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, last);
    await file.close();
    await must(['qemu-img', 'info', '-f', 'qcow2', part]);
    await expect(restore()).rejects.toMatchObject({ reason: 'ArchiveBroken' });
    expect(await pool.list()).toEqual([]);
    expect(await readdir(join(root, 'pool', '.partial'))).toEqual([]);
  });

  it('never reads a file of the host that the saved disk names as its base, though all sums are right', async () => {
    await archiveDisk('None');
    const part = join(shelf(), 'backup-1', 'data.qcow2');
    await rm(part);
    await must([
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-b',
      join(root, 'source.raw'),
      '-F',
      'raw',
      part,
    ]);
    const [sha256 = ''] = (await must(['sha256sum', part])).split(' ');
    const storedBytes = (await stat(part)).size;
    await changeManifest((manifest) => {
      for (const each of manifest.parts) Object.assign(each, { sha256, storedBytes });
    });
    await expect(restore()).rejects.toMatchObject({ reason: 'ArchiveBroken' });
    expect(await pool.list()).toEqual([]);
  });
});
