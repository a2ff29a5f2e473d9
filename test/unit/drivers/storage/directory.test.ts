/** What is special about a pool that is a directory of this host. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { StoragePool, VolumeRequest } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { readVolumeRecord } from '../../../../src/drivers/storage/directory/records.ts';
import { canMapIds } from '../../../../src/drivers/storage/directory/trees.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const owner = { guestUuid: 'uuid-anna', guest: 'anna', disk: 'data' };
const disk: VolumeRequest = { id: 'g1-data', owner, kind: 'Disk', format: 'qcow2', sizeBytes: 2 * MIB };
const world = { ...realWorld(), log: silentLog };

let path: string;
const open = (name = 'local'): Promise<StoragePool> =>
  openDirectoryPool({ world, config: { type: 'Directory', name, path } });

describe('a pool in a directory', () => {
  beforeEach(async () => {
    path = join(await mkdtemp(join(tmpdir(), 'vireo-dir-')), 'pool');
  });
  afterEach(() => rm(join(path, '..'), { recursive: true, force: true }));

  it('keeps guests data where only its own user can look', async () => {
    await open();
    for (const name of ['volumes', 'images', '.partial', '.staging']) {
      expect((await stat(join(path, name))).mode & 0o777).toBe(0o700);
    }
  });

  it('refuses a directory that belongs to another pool', async () => {
    await open('first');
    await expect(open('second')).rejects.toMatchObject({ reason: 'PoolInUse', stalled: true });
  });

  it('does not take an unmounted disk for an empty pool', async () => {
    const pool = await open();
    await pool.create(disk, signal);
    await rename(path, `${path}-unplugged`);
    await mkdir(path);
    expect(await pool.facts()).toMatchObject({ healthy: false, reason: 'PoolMissing' });
    await expect(pool.create(disk, signal)).rejects.toMatchObject({ reason: 'PoolMissing' });
    await expect(pool.remove('g1-data', owner)).rejects.toMatchObject({ reason: 'PoolMissing' });
    expect(await readdir(path)).toEqual([]);
  });

  it('never writes over a volume whose record is damaged, and says so', async () => {
    const pool = await open();
    await pool.create(disk, signal);
    await pool.create({ ...disk, id: 'g2-data' }, signal);
    await writeFile(join(path, 'volumes', 'g1-data', 'volume.json'), '{');
    await expect(pool.create(disk, signal)).rejects.toMatchObject({ reason: 'VolumeDamaged' });
    await expect(pool.remove('g1-data', owner)).rejects.toMatchObject({ reason: 'VolumeDamaged' });
    expect((await pool.list()).map((volume) => volume.id)).toEqual(['g2-data']);
    expect(await pool.facts()).toMatchObject({ healthy: true, reason: 'VolumeDamaged' });
  });

  it('asks qemu-img for one empty disk of a size, and makes the next ones equal', async () => {
    let asked = 0;
    const run: typeof world.processes.run = (argv, options) => {
      if (argv[0] === 'qemu-img') asked += 1;
      return world.processes.run(argv, options);
    };
    const counted = { ...world, processes: { ...world.processes, run } };
    const pool = await openDirectoryPool({
      world: counted,
      config: { type: 'Directory', name: 'local', path },
    });
    const bytes = async (id: string) => {
      await pool.create({ ...disk, id }, signal);
      return readFile(join(path, 'volumes', id, 'disk.qcow2'));
    };
    expect((await bytes('g1-data')).equals(await bytes('g2-data'))).toBe(true);
    expect(asked).toBe(1);
    await pool.create({ ...disk, id: 'g3-data', sizeBytes: 3 * MIB }, signal);
    expect(asked).toBe(2);
  });

  it('does not call a volume damaged that is shown while it is looked at', async () => {
    const place = join(path, 'volumes', 'g1-data');
    const record = { ...disk, initialBytes: 0 };
    const files = {
      ...world.files,
      // The maker is faster than whoever has just found no record.
      stat: async (looked: string) => {
        if (looked === place) {
          await mkdir(place);
          await writeFile(join(place, 'volume.json'), JSON.stringify(record));
        }
        return world.files.stat(looked);
      },
    };
    await open();
    expect(await readVolumeRecord(files, place)).toEqual(record);
  });

  it('grows a running raw disk at once and leaves a running qcow2 to QEMU until it is attached again', async () => {
    const pool = await open();
    await pool.create(disk, signal);
    await pool.create({ ...disk, id: 'g2-data', format: 'raw' }, signal);
    await pool.resize('g1-data', 3 * MIB, { running: true });
    await pool.resize('g2-data', 3 * MIB, { running: true });
    const virtual = async (id: string, file: string) => {
      const shown = await world.processes.run([
        'qemu-img',
        'info',
        '--output=json',
        join(path, 'volumes', id, file),
      ]);
      return (JSON.parse(shown.stdout) as { 'virtual-size': number })['virtual-size'];
    };
    expect(await virtual('g1-data', 'disk.qcow2')).toBe(2 * MIB);
    expect(await virtual('g2-data', 'disk.raw')).toBe(3 * MIB);
    await pool.attach('g1-data');
    expect(await virtual('g1-data', 'disk.qcow2')).toBe(3 * MIB);
  });

  it('refuses an image that would read other files of the host', async () => {
    const pool = await open();
    const directory = await pool.images.stage('base');
    const file = join(directory, 'evil.qcow2');
    await writeFile(join(directory, 'secret'), Buffer.alloc(MIB));
    await world.processes.run([
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-b',
      join(directory, 'secret'),
      '-F',
      'raw',
      file,
    ]);
    const publication = pool.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'x', file });
    await expect(publication).rejects.toMatchObject({ reason: 'ImageBroken', stalled: true });
  });

  it('takes only what was made in the staging directory', async () => {
    const pool = await open();
    await pool.images.stage('base');
    const outside = join(path, '..', 'disk.raw');
    await writeFile(outside, Buffer.alloc(MIB));
    const publication = pool.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'x', file: outside });
    await expect(publication).rejects.toMatchObject({ reason: 'ImageMissing' });
    const upwards = `${join(path, '.staging', 'base')}/../../../disk.raw`;
    const climbing = pool.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'x', file: upwards });
    await expect(climbing).rejects.toMatchObject({ reason: 'ImageMissing' });
  });

  it('keeps an image until the last volume has been copied from it', async () => {
    const pool = await open();
    const directory = await pool.images.stage('base');
    await writeFile(join(directory, 'base.raw'), Buffer.alloc(16 * MIB, 'x'));
    await pool.images.publish({
      name: 'base',
      kind: 'Disk',
      sourceHash: 'x',
      file: join(directory, 'base.raw'),
    });
    const requests = [1, 2, 3, 4, 5, 6].map(
      (n): VolumeRequest => ({
        ...disk,
        id: `g${n}-data`,
        format: 'raw',
        sizeBytes: 16 * MIB,
        image: 'base',
      }),
    );
    const made = Promise.allSettled(requests.map((request) => pool.create(request, signal)));
    await pool.images.remove('base');
    for (const [index, result] of (await made).entries()) {
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ reason: expect.stringMatching(/ImageMissing|StorageFailed/) });
      else expect((await stat(join(path, 'volumes', `g${index + 1}-data`, 'disk.raw'))).size).toBe(16 * MIB);
    }
    expect(await readdir(join(path, '.partial'))).toEqual([]);
  });

  it('knows by the mount table which file systems can map ids', async () => {
    const table = [
      '22 1 254:0 / / rw - ext4 /dev/vda rw',
      '30 22 0:40 / /srv rw - nfs4 server:/srv rw',
      '31 30 0:41 / /srv/my\\040disks rw shared:1 - xfs /dev/vdb rw',
    ].join('\n');
    const files = {
      ...world.files,
      readText: async () => table,
      realPath: async (at: string) => at,
    };
    expect(await canMapIds(files, '/var/lib/vireo')).toBe(true);
    expect(await canMapIds(files, '/srv/pool')).toBe(false);
    expect(await canMapIds(files, '/srv/my disks/pool')).toBe(true);
    expect(await canMapIds(files, '/srvx')).toBe(true);
  });
});
