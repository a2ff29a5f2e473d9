/** A tree that changes while it is archived, packed in two passes: what is had back is what it was when nobody wrote. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, link, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../../src/base/clock.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { SumGrowing } from '../../../../src/base/sums.ts';
import type { Compression, StoragePool } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const { signal } = new AbortController();
const real = realWorld({ logLevel: 'error' });
const guest = { kind: 'Container', namespace: 'default', name: 'web', uid: 'u', uuid: 'uuid' };
const about = {
  ...{ guest, labels: {}, spec: {}, takenAt: '2026-01-01T00:00:00Z', stillMilliseconds: 0 },
  ...({ mode: 'Suspend', consistency: 'Filesystem', compression: 'Zstd' } as const),
};
let root: string;
let pool: StoragePool;
const tree = () => join(root, 'tree');
const source = () => {
  const attachment = { type: 'Directory', path: tree(), shift: 'Idmapped' } as const;
  return { name: 'rootfs', attachment };
};
const must = async (argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await real.processes.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
};

/** How often the sum of a part was told that was taken while it was written. */
let told = 0;
const sumGrowing: SumGrowing = (path) => ({
  end: async () => {
    told += 1;
    const bytes = await readFile(path);
    return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
  },
  drop: () => undefined,
});

/** For a pool whose clock is early what was just made is young; for one whose clock is late it has been at rest. */
async function openAt(aheadMs: number): Promise<void> {
  const clock = { ...real.clock, now: () => Date.now() + aheadMs };
  const config = { type: 'Directory', name: 'local', path: join(root, 'pool'), sumGrowing } as const;
  pool = await openDirectoryPool({ world: { ...real, clock, log: silentLog }, config });
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vireo-passes-'));
  told = 0;
  await mkdir(join(tree(), 'var/log'), { recursive: true });
  await mkdir(join(tree(), 'srv/data'), { recursive: true });
  await writeFile(join(tree(), 'var/log/syslog'), 'first\n');
  await writeFile(join(tree(), 'srv/data/a'), 'as it was');
  await writeFile(join(tree(), 'srv/data/b'), 'a second name');
  await link(join(tree(), 'srv/data/b'), join(tree(), 'srv/linked'));
  await writeFile(join(tree(), 'new\nline'), 'odd');
  await symlink('var', join(tree(), 'way'));
  await must(['truncate', '-s', '32M', join(tree(), 'sparse')]);
  await openAt(60_000);
  await pool.archives.filling.begin('backup-1');
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** What a guest does that removes nothing for good. */
async function live(): Promise<void> {
  await appendFile(join(tree(), 'var/log/syslog'), 'second\n');
  await mkdir(join(tree(), 'var/spool/deep'), { recursive: true });
  await writeFile(join(tree(), 'var/spool/deep/job'), 'to do');
  // Of the same size, and with the time put back.
  const file = join(tree(), 'srv/data/a');
  await must(['touch', '-r', file, join(root, 'time')]);
  await writeFile(file, 'as it IS!');
  await must(['touch', '-r', join(root, 'time'), file]);
  // As editors do.
  await writeFile(join(tree(), 'srv/.b'), 'written anew');
  await rename(join(tree(), 'srv/.b'), join(tree(), 'srv/data/b'));
  await rm(join(tree(), 'way'));
  await symlink('srv', join(tree(), 'way'));
  await must(['chmod', '600', join(tree(), 'sparse')]);
}

/** Nothing that rsync could tell apart, contents and times of directories included. */
async function expectSame(file: string): Promise<void> {
  const back = join(root, 'back');
  await mkdir(back);
  await must(['tar', '--extract', '--ignore-zeros', '--file', file, '--preserve-permissions', '-C', back]);
  const differences = await must([
    ...['rsync', '-aHAX', '--checksum', '--dry-run', '--itemize-changes', '--delete'],
    ...['--modify-window=-1', `${tree()}/`, `${back}/`],
  ]);
  expect(differences).toBe('');
}

describe('a tree packed in two passes', () => {
  it.each(['None', 'Gzip', 'Zstd'] as const)(
    'is what it was when it stood still, by %s',
    async (compression: Compression) => {
      expect(await pool.archives.filling.pack('backup-1', source(), compression, signal)).toBe(true);
      await live();
      expect(await pool.archives.filling.packRest('backup-1', source(), compression, signal)).toBe(true);
      await pool.archives.filling.save('backup-1', source(), compression, signal);
      const manifest = await pool.archives.filling.finish('backup-1', { ...about, compression }, signal);
      expect(await pool.archives.verify('backup-1', signal)).toEqual(manifest);
      expect(told).toBe(1);
      // What it takes to have it back was measured: the files beside its holes.
      expect(manifest.parts[0]?.unpackedBytes).toBeGreaterThan(4_096);
      await expectSame(join(root, 'pool/archives/backup-1', String(manifest.parts[0]?.file)));
      const archived = await pool.archives.open('backup-1', 'rootfs', signal);
      const owner = { guestUuid: 'uuid-new', guest: 'new', disk: 'rootfs' };
      await pool.create({ id: 'g1-rootfs', owner, kind: 'Filesystem', format: 'raw', archived }, signal);
      const made = await pool.attach('g1-rootfs');
      await must(['diff', '-r', '--no-dereference', tree(), made.path]);
    },
  );

  it('packs again what was too young to be told from what is written next', async () => {
    await openAt(-60_000);
    await pool.archives.filling.begin('backup-1');
    expect(await pool.archives.filling.pack('backup-1', source(), 'None', signal)).toBe(true);
    expect(await pool.archives.filling.packRest('backup-1', source(), 'None', signal)).toBe(true);
    await pool.archives.filling.save('backup-1', source(), 'None', signal);
    const { parts } = await pool.archives.filling.finish('backup-1', about, signal);
    const file = join(root, 'pool/archives/backup-1', String(parts[0]?.file));
    const listed = await must(['tar', '--list', '--ignore-zeros', '--file', file]);
    expect(listed.split('\n').filter((name) => name === './srv/data/a')).toHaveLength(2);
    await expectSame(file);
  });

  it('is of the later moment when it is gathered after all, as when another tree of its guest had to be', async () => {
    expect(await pool.archives.filling.pack('backup-1', source(), 'None', signal)).toBe(true);
    expect(await pool.archives.filling.packRest('backup-1', source(), 'None', signal)).toBe(true);
    await live();
    await pool.archives.filling.gather('backup-1', source(), signal);
    await pool.archives.filling.save('backup-1', source(), 'None', signal);
    const { parts } = await pool.archives.filling.finish('backup-1', about, signal);
    await expectSame(join(root, 'pool/archives/backup-1', String(parts[0]?.file)));
  });

  it('tells one half of how far it is while it is gathered, and the other while that is packed', async () => {
    await must(['dd', 'if=/dev/urandom', `of=${join(tree(), 'large')}`, 'bs=1M', 'count=40', 'status=none']);
    const said: number[] = [];
    const follow = ({ doneBytes = 0, totalBytes = 1 }) => void said.push(doneBytes / totalBytes);
    await pool.archives.filling.gather('backup-1', { ...source(), follow }, signal);
    expect(Math.max(...said)).toBeGreaterThan(0.4);
    expect(Math.max(...said)).toBeLessThanOrEqual(0.5);
    said.length = 0;
    await pool.archives.filling.save('backup-1', { ...source(), follow }, 'None', signal);
    expect(Math.min(...said)).toBeGreaterThan(0.5);
  });

  it('is to be gathered when a directory was elsewhere just when it would have been packed', async () => {
    expect(await pool.archives.filling.pack('backup-1', source(), 'None', signal)).toBe(true);
    const list = join(root, 'pool/.partial/backup-1/lists/rootfs.packed');
    const listed = await readFile(list, 'utf8');
    expect(listed).toContain('./srv/data/a\n');
    await writeFile(list, listed.replace('./srv/data/a\n', ''));
    expect(await pool.archives.filling.packRest('backup-1', source(), 'None', signal)).toBe(false);
  });

  it('is told of while it is packed, and its list of names is none the worse', async () => {
    // Gigabytes take a while: of these few megabytes somebody asks without a pause.
    const clock: Clock = {
      ...real.clock,
      sleep: (ms, until) => real.clock.sleep(ms === 5_000 ? 10 : ms, until),
    };
    const config = { type: 'Directory', name: 'local', path: join(root, 'pool') } as const;
    pool = await openDirectoryPool({ world: { ...real, clock, log: silentLog }, config });
    await must([
      'dd',
      'if=/dev/urandom',
      `of=${join(tree(), 'srv/large')}`,
      'bs=1M',
      'count=24',
      'status=none',
    ]);
    await mkdir(join(tree(), '...dots'));
    await writeFile(join(tree(), '...dots/..and more'), '');
    const said: { doneBytes: number; totalBytes: number }[] = [];
    const followed = {
      ...source(),
      follow: (far: { doneBytes: number; totalBytes: number }) => void said.push(far),
    };
    const { filling } = pool.archives;
    await filling.begin('backup-1');
    expect(await filling.pack('backup-1', followed, 'Zstd', signal)).toBe(true);
    expect(Math.max(...said.map(({ doneBytes }) => doneBytes))).toBeGreaterThanOrEqual(16 * 1024 * 1024);
    expect(said.every(({ totalBytes }) => totalBytes > 24e6 && totalBytes < 35e6)).toBe(true);
    await live();
    expect(await filling.packRest('backup-1', followed, 'Zstd', signal)).toBe(true);
    await filling.save('backup-1', followed, 'Zstd', signal);
    const { parts } = await filling.finish('backup-1', about, signal);
    await expectSame(join(root, 'pool/archives/backup-1', String(parts[0]?.file)));

    said.length = 0;
    await filling.begin('backup-2');
    await filling.save('backup-2', followed, 'Zstd', signal);
    expect(said.at(-1)?.doneBytes).toBe(16 * 1024 * 1024);
    await filling.finish('backup-2', about, signal);

    said.length = 0;
    const owner = { guestUuid: 'uuid', guest: 'Container/default/web', disk: 'rootfs' };
    const volume = { id: 'web-rootfs', owner, kind: 'Filesystem', format: 'raw' } as const;
    await pool.create(volume, signal);
    const open = (until: AbortSignal) => pool.archives.open('backup-2', 'rootfs', until);
    const { follow } = followed;
    await pool.replacements.prepare({ id: 'web-rootfs', name: 'back', open, follow }, signal);
    expect(said.at(-1)?.doneBytes).toBeGreaterThan(16e6);
  }, 60_000);

  it('is not gathered for a socket, which is never packed', async () => {
    const server = createServer().listen(join(tree(), 'srv/socket'));
    await once(server, 'listening');
    expect(await pool.archives.filling.pack('backup-1', source(), 'None', signal)).toBe(true);
    expect(await pool.archives.filling.packRest('backup-1', source(), 'None', signal)).toBe(true);
    server.close();
  });

  it.each([
    ['a file was removed', () => rm(join(tree(), 'srv/linked'))],
    [
      'a directory became a file',
      () =>
        rm(join(tree(), 'var/log'), { recursive: true }).then(() => writeFile(join(tree(), 'var/log'), '')),
    ],
    ['a file was renamed', () => rename(join(tree(), 'new\nline'), join(tree(), 'other'))],
  ])('is to be gathered when %s meanwhile, and is right then', async (_, change) => {
    expect(await pool.archives.filling.pack('backup-1', source(), 'Zstd', signal)).toBe(true);
    await change();
    expect(await pool.archives.filling.packRest('backup-1', source(), 'Zstd', signal)).toBe(false);
    for (let pass = 0; pass < 2; pass += 1) await pool.archives.filling.gather('backup-1', source(), signal);
    await pool.archives.filling.save('backup-1', source(), 'Zstd', signal);
    const { parts } = await pool.archives.filling.finish('backup-1', about, signal);
    expect(parts).toHaveLength(1);
    await expectSame(join(root, 'pool/archives/backup-1', String(parts[0]?.file)));
  });
});
