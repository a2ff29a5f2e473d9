/** Container roots in a directory pool with owners as they are: what only root can make. */
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { World } from '../../src/base/world.ts';
import { createImageBuilder } from '../../src/drivers/image/builder.ts';
import type { ArchiveAbout, StoragePool, VolumeRequest } from '../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { must } from './harness/commands.ts';

const { signal } = new AbortController();
const owner = { guestUuid: 'uuid-web', guest: 'web', disk: 'rootfs' };
const request: VolumeRequest = {
  id: 'g1-rootfs',
  owner,
  kind: 'Filesystem',
  format: 'raw',
  image: 'base',
  idBase: 500_000,
};

const about: ArchiveAbout = {
  guest: { kind: 'Container', namespace: 'default', name: 'web', uid: 'uid-1', uuid: 'uuid-web' },
  ...{ labels: {}, spec: {}, takenAt: '2026-01-01T00:00:00Z', mode: 'Stop', consistency: 'Filesystem' },
  ...{ stillMilliseconds: 0, compression: 'None' },
};

/** A host whose file systems cannot map ids at mount, as NFS or FUSE. */
function withoutIdMaps(world: World): World {
  const readText = async (path: string) =>
    path === '/proc/self/mountinfo' ? '22 1 0:40 / / rw - nfs4 server:/ rw' : world.files.readText(path);
  return { ...world, files: { ...world.files, readText } };
}

describe('a container root', () => {
  const world: World = { ...realWorld(), log: silentLog };
  let path: string;
  let pool: StoragePool;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'vireo-roots-'));
    pool = await openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path } });
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  /** Packs what `make` puts into a directory with an init, and publishes it. */
  const publish = async (make: (root: string) => Promise<void>, ...tarOptions: string[]) => {
    const directory = await pool.images.stage('base');
    const root = join(directory, 'root');
    await mkdir(join(root, 'sbin'), { recursive: true });
    await writeFile(join(root, 'sbin', 'init'), '#!/bin/sh\n', { mode: 0o755 });
    await make(root);
    const file = join(directory, 'root.tar');
    await must([
      'tar',
      '--numeric-owner',
      '--xattrs',
      '--xattrs-include=*',
      '--sparse',
      ...tarOptions,
      '-C',
      root,
      '-cf',
      file,
      '.',
    ]);
    return pool.images.publish({ name: 'base', kind: 'ContainerRootfs', sourceHash: 'x', file });
  };
  const rootOf = async (from: StoragePool, id = 'g1-rootfs') => {
    const attachment = await from.attach(id);
    if (attachment.type !== 'Directory') throw new Error('no directory');
    return { root: attachment.path, shift: attachment.shift };
  };

  it('is whole after the way from the builder through the pool to a volume', async () => {
    const builder = createImageBuilder({ world, cacheDirectory: join(path, 'cache') });
    const directory = await pool.images.stage('base');
    const options = { directory, kind: 'ContainerRootfs' as const, signal, progress: () => {} };
    const { file } = await builder.build({ type: 'BusyboxRootfs' }, options);
    await pool.images.publish({ name: 'base', kind: 'ContainerRootfs', sourceHash: 'x', file });
    await pool.create(request, signal);
    const { root, shift } = await rootOf(pool);
    expect(shift).toBe('Idmapped');
    expect(await must(['chroot', root, '/bin/sh', '-c', 'ls /sbin/init && id -u'])).toBe('/sbin/init\n0\n');
  });

  it('keeps owners, set-uid bits, links, sparse files and file capabilities', async () => {
    await publish(async (root) => {
      await writeFile(join(root, 'tool'), 'x');
      await chown(join(root, 'tool'), 5, 7);
      await chmod(join(root, 'tool'), 0o4755);
      await symlink('/etc/shadow', join(root, 'link'));
      await must(['setcap', 'cap_net_raw=p', join(root, 'sbin', 'init')]);
      await must(['truncate', '-s', '1G', join(root, 'hole')]);
    });
    await pool.create(request, signal);
    const { root } = await rootOf(pool);
    const tool = await stat(join(root, 'tool'));
    expect([tool.uid, tool.gid, tool.mode & 0o7777]).toEqual([5, 7, 0o4755]);
    expect((await lstat(join(root, 'link'))).isSymbolicLink()).toBe(true);
    expect((await stat(join(root, 'hole'))).blocks).toBe(0);
    expect(await must(['getcap', join(root, 'sbin', 'init')])).toContain('cap_net_raw');
  });

  it('is shifted once, links included and links only themselves, where ids cannot be mapped at mount', async () => {
    await publish(async (root) => {
      await writeFile(join(root, 'tool'), 'x');
      await chown(join(root, 'tool'), 5, 7);
      await chmod(join(root, 'tool'), 0o4755);
      await symlink(join(path, 'outside'), join(root, 'link'));
    });
    await writeFile(join(path, 'outside'), 'of the host');
    const old = await openDirectoryPool({
      world: withoutIdMaps(world),
      config: { type: 'Directory', name: 'local', path },
    });
    await old.create(request, signal);
    const { root, shift } = await rootOf(old);
    expect(shift).toEqual({ shiftedBy: 500_000 });
    const tool = await stat(join(root, 'tool'));
    expect([tool.uid, tool.gid, tool.mode & 0o7777]).toEqual([500_005, 500_007, 0o4755]);
    expect((await lstat(join(root, 'link'))).uid).toBe(500_000);
    expect((await stat(join(path, 'outside'))).uid).toBe(0);
    expect((await lstat(join(path, 'images', 'base', 'rootfs', 'sbin', 'init'))).uid).toBe(0);
  });

  it('brings no device of the host with it', async () => {
    await publish(async (root) => {
      await must(['mknod', join(root, 'disk'), 'b', '254', '0']);
      await mkdir(join(root, 'dev'));
      await must(['mknod', join(root, 'dev', 'mem'), 'c', '1', '1']);
    });
    await pool.create(request, signal);
    const { root } = await rootOf(pool);
    expect((await readdir(root)).sort()).toEqual(['dev', 'sbin']);
    expect(await readdir(join(root, 'dev'))).toEqual([]);
  });

  it('brings none from an archive of a container that had made some', async () => {
    await publish(async () => {});
    await pool.create(request, signal);
    const { root } = await rootOf(pool);
    await must(['mknod', join(root, 'disk'), 'b', '254', '0']);
    await must(['mknod', join(root, 'sbin', 'mem'), 'c', '1', '1']);
    await pool.archives.filling.begin('backup-1');
    const source = { name: 'rootfs', attachment: await pool.attach('g1-rootfs') };
    await pool.archives.filling.save('backup-1', source, 'None', signal);
    const { parts } = await pool.archives.filling.finish('backup-1', about, signal);
    const packed = join(path, 'archives', 'backup-1', parts[0]?.file ?? '');
    expect(await must(['tar', '-tf', packed])).toContain('./sbin/mem');
    const archived = await pool.archives.open('backup-1', 'rootfs', signal);
    await pool.create(
      { id: 'g2-rootfs', owner, kind: 'Filesystem', format: 'raw', idBase: 500_000, archived },
      signal,
    );
    const restored = await rootOf(pool, 'g2-rootfs');
    expect(await must(['find', restored.root, '-type', 'b', '-o', '-type', 'c'])).toBe('');
    expect(await readdir(join(restored.root, 'sbin'))).toEqual(['init']);
  });

  it('refuses ids that no container has, and an archive that climbs out', async () => {
    const high = publish((root) => chown(join(root, 'sbin', 'init'), 70_000, 0));
    await expect(high).rejects.toMatchObject({ reason: 'ImageBroken', stalled: true });
    await writeFile(join(path, 'victim'), 'safe');
    const climbing = publish(
      async (root) => writeFile(join(root, 'evil'), 'x'),
      '--transform=s,^./evil,../../../victim,',
      '-P',
    );
    await climbing.catch(() => undefined);
    expect(await must(['cat', join(path, 'victim')])).toBe('safe');
  });

  it('goes without touching what is mounted inside it', async () => {
    await publish(async () => {});
    await pool.create(request, signal);
    const { root } = await rootOf(pool);
    await mkdir(join(root, 'mnt'));
    await mkdir(join(path, 'precious'));
    await writeFile(join(path, 'precious', 'file'), 'kept');
    const away = join(path, 'tmpfs');
    await mkdir(away);
    await must(['mount', '-t', 'tmpfs', 'none', away]);
    await must(['mount', '--bind', away, join(root, 'mnt')]);
    await writeFile(join(away, 'file'), 'kept');
    await pool.remove('g1-rootfs', owner).catch(() => undefined);
    expect(await readdir(away)).toEqual(['file']);
    await must([
      'sh',
      '-c',
      `awk '{print $2}' /proc/self/mounts | grep ^${path} | sort -r | xargs -n1 umount`,
    ]);
    expect(await pool.observe('g1-rootfs')).toBeUndefined();
  });
});
