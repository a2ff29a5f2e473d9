/** The Btrfs pool under the suite of all pools and through its host's deaths, on a file system of its own on a loop device. */
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { World } from '../../src/base/world.ts';
import type { ArchiveAbout, StoragePool, VolumeRequest } from '../../src/drivers/storage/contract.ts';
import { openBtrfsPool } from '../../src/drivers/storage/directory/btrfs/pool.ts';
import { openDirectoryPool } from '../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { copyVolume, copyWhole } from '../contract/storage/copying.ts';
import { realPoolLab } from '../contract/storage/realPoolLab.ts';
import { storageSuite } from '../contract/storage/suite.ts';
import { mortalWorld } from '../unit/drivers/storage/mortalWorld.ts';
import { must } from './harness/commands.ts';

const { signal } = new AbortController();
const owner = { guestUuid: 'uuid-web', guest: 'web', disk: 'rootfs' };
const tree: VolumeRequest = { id: 'g1-rootfs', owner, kind: 'Filesystem', format: 'raw' };
const world: World = { ...realWorld(), log: silentLog };

let place: string;
const open = (path: string, of = world) =>
  openBtrfsPool({ world: of, config: { type: 'Btrfs', name: 'local', path } });

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'vireo-btrfs-'));
  await mkdir(join(place, 'mnt'));
  await writeFile(join(place, 'disk'), '');
  await truncate(join(place, 'disk'), 2 ** 30);
  await must(['mkfs.btrfs', '-q', join(place, 'disk')]);
  await must(['mount', '-o', 'loop', join(place, 'disk'), join(place, 'mnt')]);
});
afterAll(async () => {
  await must(['umount', join(place, 'mnt')]);
  await rm(place, { recursive: true });
});

storageSuite('Btrfs', async () => {
  const path = await mkdtemp(join(place, 'mnt', 'pool-'));
  return realPoolLab(path, (of) => open(path, of));
});

describe('a Btrfs pool', () => {
  let path: string;
  const rootOf = (id = tree.id) => join(path, 'volumes', id, 'rootfs');

  beforeEach(async () => {
    path = await mkdtemp(join(place, 'mnt', 'pool-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  it('rolls a container root back with all that is in it, and clones it for another', async () => {
    const pool = await open(path);
    await pool.create(tree, signal);
    await writeFile(join(rootOf(), 'hosts'), 'then');
    await pool.snapshots.take(tree.id, 's-1');
    await writeFile(join(rootOf(), 'hosts'), 'now');
    await writeFile(join(rootOf(), 'new'), 'x');
    const other = { ...owner, guestUuid: 'uuid-other' };
    const from = { volume: tree.id, snapshot: 's-1' };
    await pool.create({ ...tree, id: 'g2-rootfs', owner: other, from }, signal);
    expect(await readFile(join(rootOf('g2-rootfs'), 'hosts'), 'utf8')).toBe('then');
    await pool.snapshots.rollBack([tree.id], 's-1');
    expect(await readdir(rootOf())).toEqual(['hosts']);
    expect(await readFile(join(rootOf(), 'hosts'), 'utf8')).toBe('then');
    expect(await pool.observe('g2-rootfs')).toMatchObject({ owner: other });
  });

  it('holds a container root to its limit, which may change and be taken away', async () => {
    const pool = await open(path);
    await pool.create(tree, signal);
    const write = (name: string) =>
      must(['dd', 'if=/dev/urandom', `of=${join(rootOf(), name)}`, 'bs=1M', 'count=20', 'conv=fsync']);
    await pool.limit?.(tree.id, undefined);
    await pool.limit?.(tree.id, 8 * 2 ** 20);
    await expect(write('a')).rejects.toThrow('Disk quota exceeded');
    await pool.limit?.(tree.id, 64 * 2 ** 20);
    await write('a');
    await pool.limit?.(tree.id, 24 * 2 ** 20);
    await expect(write('b')).rejects.toThrow('Disk quota exceeded');
    await pool.limit?.(tree.id, undefined);
    await write('b');
  });

  it('removes a volume in which a container has made subvolumes', async () => {
    const pool = await open(path);
    await pool.create(tree, signal);
    await must(['btrfs', 'subvolume', 'create', join(rootOf(), 'var')]);
    await must(['btrfs', 'subvolume', 'create', join(rootOf(), 'var', 'inner')]);
    await pool.remove(tree.id, owner);
    expect(await readdir(join(path, 'volumes'))).toEqual([]);
    expect(await readdir(join(path, '.partial'))).toEqual([]);
  });

  it('has room for a volume as soon as another of its size was removed', async () => {
    const pool = await open(path);
    const about: ArchiveAbout = {
      guest: { kind: 'Container', namespace: 'default', name: 'web', uid: 'uid-1', uuid: 'uuid-web' },
      ...{ labels: {}, spec: {}, takenAt: '2026-01-01T00:00:00Z', mode: 'Stop', consistency: 'Filesystem' },
      ...{ stillMilliseconds: 0, compression: 'None' },
    };
    await pool.create(tree, signal);
    await must([
      'dd',
      'if=/dev/urandom',
      `of=${join(rootOf(), 'large')}`,
      'bs=1M',
      'count=300',
      'status=none',
    ]);
    await pool.archives.filling.begin('backup-1');
    const source = { name: 'rootfs', attachment: await pool.attach(tree.id) };
    await pool.archives.filling.save('backup-1', source, 'None', signal);
    await pool.archives.filling.finish('backup-1', about, signal);
    for (let time = 0; time < 2; time += 1) {
      await pool.remove(tree.id, owner);
      const archived = await pool.archives.open('backup-1', 'rootfs', signal);
      await pool.create({ ...tree, archived }, signal);
    }
    await pool.remove(tree.id, owner);
  });

  describe('and one of another host', () => {
    let target: string;
    /** What is run there and here, by its first words. */
    const ran: string[] = [];
    const spying = (of: World): World => ({
      ...of,
      processes: {
        ...of.processes,
        pipe: (argv, options) => {
          ran.push(argv.slice(0, 2).join(' '));
          return of.processes.pipe(argv, options);
        },
      },
    });
    const there = () => join(target, 'volumes', tree.id, 'rootfs');

    beforeEach(async () => {
      target = await mkdtemp(join(place, 'mnt', 'pool-'));
      ran.length = 0;
    });
    afterEach(() => rm(target, { recursive: true }));

    it('sends a container root in one piece while it runs, then what has changed, with all that belongs to a file', async () => {
      const [from, to] = [await open(path, spying(world)), await open(target)];
      expect([from, to].map(({ capabilities }) => capabilities.streams)).toEqual([
        ['BtrfsSend'],
        ['BtrfsSend'],
      ]);
      await from.create(tree, signal);
      await writeFile(join(rootOf(), 'able'), 'program');
      await must(['chown', '1000:1001', join(rootOf(), 'able')]);
      await must(['chmod', '4755', join(rootOf(), 'able')]);
      await must(['setcap', 'cap_net_raw+ep', join(rootOf(), 'able')]);
      await must(['truncate', '-s', '64M', join(rootOf(), 'sparse')]);
      await must(['ln', join(rootOf(), 'able'), join(rootOf(), 'again')]);
      await copyWhole({ from, to }, tree, 'First');
      expect(ran).toEqual(['btrfs send']);
      expect(await to.list()).toEqual([]);
      await writeFile(join(rootOf(), 'since'), 'x');
      await rm(join(rootOf(), 'sparse'));
      await copyWhole({ from, to: await open(target) }, tree, 'Final');
      expect(ran).toEqual(['btrfs send', 'rsync --server']);
      expect((await readdir(there())).sort()).toEqual(['able', 'again', 'since']);
      expect((await must(['stat', '-c', '%u:%g %a %h', join(there(), 'able')])).trim()).toBe(
        '1000:1001 4755 2',
      );
      expect(await must(['getcap', join(there(), 'able')])).toContain('cap_net_raw=ep');
      expect(await to.observe(tree.id)).toMatchObject({ owner });
      for (const host of [path, target])
        for (const hidden of ['.partial', '.arriving']) expect(await readdir(join(host, hidden))).toEqual([]);
      await to.snapshots.take(tree.id, 's-1');
      await to.remove(tree.id, owner);
    });

    it('sends a disk in one piece, once, and it can be written to there', async () => {
      const disk: VolumeRequest = {
        ...tree,
        id: 'g1-data',
        kind: 'Disk',
        format: 'raw',
        sizeBytes: 64 * 2 ** 20,
      };
      const [from, to] = [await open(path, spying(world)), await open(target)];
      await from.create(disk, signal);
      const data = (host: string) => join(host, 'volumes', disk.id, 'disk.raw');
      await must([
        'dd',
        'if=/dev/urandom',
        `of=${data(path)}`,
        'bs=1M',
        'seek=40',
        'count=2',
        'conv=notrunc',
      ]);
      await copyWhole({ from, to }, disk, 'Final');
      expect(ran).toEqual(['btrfs send']);
      await must(['cmp', data(path), data(target)]);
      await must(['dd', 'if=/dev/zero', `of=${data(target)}`, 'bs=1M', 'count=1', 'conv=notrunc']);
      await copyWhole({ from, to }, disk, 'Final');
      expect(ran).toEqual(['btrfs send']);
      for (const host of [path, target])
        for (const hidden of ['.partial', '.arriving']) expect(await readdir(join(host, hidden))).toEqual([]);
    });

    it('gets nothing by halves when the way breaks in the middle, and all of it at the next try', async () => {
      const [from, to] = [await open(path), await open(target)];
      await from.create(tree, signal);
      await must(['dd', 'if=/dev/urandom', `of=${join(rootOf(), 'large')}`, 'bs=1M', 'count=16']);
      const broken = await copyVolume({ from, to }, tree, 'First', {
        bytesPerSecond: 2 ** 20,
        during: ({ target: end }) => void setTimeout(() => end.destroy(), 500),
      });
      expect([broken.sent.status, broken.received.status]).toEqual(['rejected', 'rejected']);
      expect(await readdir(join(path, '.partial'))).toEqual([]);
      for (const pass of ['First', 'Final'] as const) await copyWhole({ from, to }, tree, pass);
      await must(['cmp', join(rootOf(), 'large'), join(there(), 'large')]);
      expect(await readdir(join(target, '.arriving'))).toEqual([]);
    });

    it('that dies at any step of it has the volume whole or not at all, and all of it at the next try', async () => {
      const from = await open(path);
      const disk: VolumeRequest = { ...tree, id: 'g1-data', kind: 'Disk', format: 'raw', sizeBytes: 2 ** 20 };
      await from.create(tree, signal);
      await from.create(disk, signal);
      await writeFile(join(rootOf(), 'hosts'), 'here');
      const copyAll = async (to: StoragePool) => {
        await copyWhole({ from, to }, disk, 'Final');
        for (const pass of ['First', 'Final'] as const) await copyWhole({ from, to }, tree, pass);
      };
      const opening = mortalWorld(Number.POSITIVE_INFINITY);
      await open(target, opening);
      for (let step = opening.count() + 1, survived = false; !survived; step += 1) {
        survived = await copyAll(await open(target, mortalWorld(step))).then(
          () => true,
          () => false,
        );
        const to = await open(target);
        const shown = (await to.list()).map(({ id }) => id);
        if (shown.includes(tree.id)) expect(await readFile(join(there(), 'hosts'), 'utf8')).toBe('here');
        await copyAll(to);
        expect(await readFile(join(there(), 'hosts'), 'utf8')).toBe('here');
        for (const { id } of await to.list()) await to.remove(id, owner);
        for (const hidden of ['.partial', '.arriving'])
          expect(await readdir(join(target, hidden))).toEqual([]);
      }
    });

    it('gets it file by file where a subvolume inside would be left out, and where it is no Btrfs pool', async () => {
      const from = await open(path, spying(world));
      await from.create(tree, signal);
      await must(['btrfs', 'subvolume', 'create', join(rootOf(), 'machines')]);
      await copyWhole({ from, to: await open(target) }, tree, 'First');
      await must(['btrfs', 'subvolume', 'delete', join(rootOf(), 'machines')]);
      const plain = await mkdtemp(join(place, 'plain-'));
      const to = await openDirectoryPool({
        world,
        config: { type: 'Directory', name: 'local', path: plain },
      });
      await copyWhole({ from, to }, tree, 'First');
      expect(new Set(ran)).toEqual(new Set(['rsync --server']));
    });
  });

  it('is refused on another file system, and where a pool of another type lies', async () => {
    await expect(open(join(place, 'elsewhere'))).rejects.toMatchObject({ reason: 'NotBtrfs' });
    await openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path } });
    await expect(open(path)).rejects.toMatchObject({ reason: 'PoolInUse' });
  });

  it('has after a crash in a rollback what it had before or what it had then, and nothing left over', async () => {
    const pool = await open(path);
    await pool.create(tree, signal);
    await writeFile(join(rootOf(), 'hosts'), 'then');
    await pool.snapshots.take(tree.id, 's-1');
    const opening = mortalWorld(Number.POSITIVE_INFINITY);
    await open(path, opening);
    for (let step = opening.count() + 1, survived = false; !survived; step += 1) {
      await writeFile(join(rootOf(), 'hosts'), 'now');
      const mortal = await open(path, mortalWorld(step));
      survived = await mortal.snapshots.rollBack([tree.id], 's-1').then(
        () => true,
        () => false,
      );
      const again = await open(path);
      expect(await again.attach(tree.id)).toMatchObject({ type: 'Directory' });
      const content = await readFile(join(rootOf(), 'hosts'), 'utf8');
      if (survived) expect(content).toBe('then');
      else expect(['then', 'now']).toContain(content);
      expect(await again.snapshots.list(tree.id)).toEqual(['s-1']);
      expect(await readdir(join(path, '.partial'))).toEqual([]);
      expect(await readdir(join(path, '.rollbacks'))).toEqual([]);
    }
  });
});
