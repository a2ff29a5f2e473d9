/** Volumes of directory pools on their way from host to host, with real tar and rsync on a real file system. */
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { World } from '../../../../src/base/world.ts';
import type { StoragePool, VolumeRequest } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';
import { copyVolume, copyWhole } from '../../../contract/storage/copying.ts';

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const owner = { guestUuid: 'uuid-anna', guest: 'anna', disk: 'data' };
const disk: VolumeRequest = { id: 'g1-data', owner, kind: 'Disk', format: 'raw', sizeBytes: 64 * MIB };
const tree: VolumeRequest = { id: 'g2-rootfs', owner, kind: 'Filesystem', format: 'raw' };
const real: World = { ...realWorld(), log: silentLog };
const isRoot = process.getuid?.() === 0;

let home: string;
let from: StoragePool;
let to: StoragePool;
const place = (host: string, ...parts: string[]) => join(home, host, ...parts);
const open = (host: string, world = real) =>
  openDirectoryPool({ world, config: { type: 'Directory', name: 'local', path: place(host) } });
const root = (host: string, ...parts: string[]) => place(host, 'volumes', 'g2-rootfs', 'rootfs', ...parts);
const hidden = (host: string, ...parts: string[]) =>
  place(host, '.arriving', 'g2-rootfs', 'volume', 'rootfs', ...parts);
const run = async (argv: string[]) => {
  const result = await real.processes.run(argv);
  if (result.code !== 0) throw new Error(result.stderr);
  return result.stdout;
};

/** The target's world on a file system that is full: every program that writes there says so. */
function fullWorld(): World {
  const full = 'echo "write failed: No space left on device (28)" >&2; exit 11';
  return {
    ...real,
    processes: { ...real.processes, pipe: (_, options) => real.processes.pipe(['sh', '-c', full], options) },
  };
}

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'vireo-copying-'));
  [from, to] = await Promise.all([open('a'), open('b')]);
});
afterEach(() => rm(home, { recursive: true, force: true }));

describe('a disk that goes to another host', () => {
  const data = (host: string) => place(host, 'volumes', 'g1-data', 'disk.raw');
  beforeEach(async () => {
    await from.create(disk, signal);
    const file = await openFile(data('a'), 'r+');
    await file.write(Buffer.alloc(3 * MIB, 'anna'), 0, 3 * MIB, 40 * MIB);
    await file.close();
  });

  it('arrives as it was, with its holes and its owner', async () => {
    await copyWhole({ from, to }, disk, 'Final');
    expect((await readFile(data('b'))).equals(await readFile(data('a')))).toBe(true);
    expect((await stat(data('b'))).blocks * 512).toBeLessThan(8 * MIB);
    expect(await to.observe('g1-data')).toMatchObject({ owner, sizeBytes: 64 * MIB, format: 'raw' });
    expect(await to.attach('g1-data')).toEqual({ type: 'File', path: data('b'), format: 'raw' });
    expect(await readdir(place('b', '.arriving'))).toEqual([]);
  });

  it('of kind qcow2 keeps what was written to it', async () => {
    const request: VolumeRequest = { ...disk, id: 'g3-data', format: 'qcow2' };
    await from.create(request, signal);
    const path = (host: string) => place(host, 'volumes', 'g3-data', 'disk.qcow2');
    await run(['qemu-io', '-f', 'qcow2', '-c', 'write -P 7 1M 2M', path('a')]);
    await copyWhole({ from, to }, request, 'Final');
    await run(['qemu-img', 'compare', path('a'), path('b')]);
  });

  it('that would read other files of the target is refused', async () => {
    const request: VolumeRequest = { ...disk, id: 'g3-data', format: 'qcow2' };
    await from.create(request, signal);
    const path = place('a', 'volumes', 'g3-data', 'disk.qcow2');
    await run(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', data('a'), '-F', 'raw', path]);
    const { received } = await copyVolume({ from, to }, request, 'Final');
    expect(received).toMatchObject({ reason: { reason: 'ImageBroken' } });
    expect(await to.list()).toEqual([]);
  });

  it('is there once, however often it is sent, and keeps what its guest wrote on the target', async () => {
    await copyWhole({ from, to }, disk, 'Final');
    await writeFile(data('b'), 'its guest lives here now');
    await copyWhole({ from, to }, disk, 'Final');
    expect(await readFile(data('b'), 'utf8')).toBe('its guest lives here now');
  });

  it('is refused where another guest has a volume of its name', async () => {
    await to.create({ ...disk, owner: { ...owner, guestUuid: 'uuid-bert' } }, signal);
    const { sent, received } = await copyVolume({ from, to }, disk, 'Final');
    for (const side of [sent, received])
      expect(side).toMatchObject({ reason: { reason: 'VolumeOwnedByOther' } });
  });

  it('is not copied while its guest runs', async () => {
    const { sent } = await copyVolume({ from, to }, disk, 'First');
    expect(sent).toMatchObject({ reason: { reason: 'GuestNotOff' } });
  });

  it('of which the connection breaks is not seen, and comes at the next try', async () => {
    for (const broken of ['source', 'target'] as const) {
      const { sent, received } = await copyVolume({ from, to }, disk, 'Final', {
        bytesPerSecond: 2 * MIB,
        during: (ends) => {
          // Cut in the midst of the data, whichever end sees it first.
          const cut = () =>
            ends[broken].bytesRead + ends[broken].bytesWritten > MIB && ends[broken].destroy();
          ends.target.on('readable', cut);
        },
      });
      expect([sent.status, received.status]).toEqual(['rejected', 'rejected']);
      expect(await to.list()).toEqual([]);
    }
    await copyWhole({ from, to: await open('b') }, disk, 'Final');
    expect((await readFile(data('b'))).equals(await readFile(data('a')))).toBe(true);
  });

  it('that was damaged on its way is thrown away', async () => {
    const exportVolume = from.exportVolume;
    const damaging: StoragePool = {
      ...from,
      exportVolume: async (id, stream, options) => {
        const send = stream.write.bind(stream);
        let frames = 0;
        stream.write = ((chunk: Buffer, ...rest: []) => {
          frames += chunk.length > 1_000 ? 1 : 0;
          if (frames === 3 && chunk.length > 1_000) chunk.writeUInt8(chunk.readUInt8(900) ^ 1, 900);
          return send(chunk, ...rest);
        }) as typeof stream.write;
        await exportVolume?.(id, stream, options);
      },
    };
    const { received } = await copyVolume({ from: damaging, to }, disk, 'Final');
    expect(received).toMatchObject({ reason: { reason: 'CopyDamaged' } });
    expect(await to.list()).toEqual([]);
  });

  it('is told by both sides not to fit', async () => {
    const { sent, received } = await copyVolume({ from, to: await open('b', fullWorld()) }, disk, 'Final');
    for (const side of [sent, received]) expect(side).toMatchObject({ reason: { reason: 'PoolFull' } });
    expect(await to.list()).toEqual([]);
    expect(await from.attach('g1-data')).toMatchObject({ type: 'File' });
  });

  it('goes no faster than it may', async () => {
    const begun = performance.now();
    await copyWhole({ from, to }, disk, 'Final', { bytesPerSecond: 6 * MIB });
    expect(performance.now() - begun).toBeGreaterThan(450);
  });

  it('stops when it is called off', async () => {
    const abort = new AbortController();
    const { sent, received } = await copyVolume({ from, to }, disk, 'Final', {
      signal: abort.signal,
      bytesPerSecond: MIB,
      during: ({ target }) => target.on('readable', () => abort.abort(new Error('no longer wanted'))),
    });
    for (const side of [sent, received])
      expect(side).toMatchObject({ reason: { message: 'no longer wanted' } });
    await to.remove('g1-data', owner);
    expect(await readdir(place('b', '.arriving'))).toEqual([]);
  });
});

describe('a container root that goes to another host', () => {
  beforeEach(async () => {
    await from.create(tree, signal);
    await mkdir(root('a', 'etc'));
    await writeFile(root('a', 'etc', 'hosts'), '127.0.0.1 localhost\n');
    await writeFile(root('a', 'big'), Buffer.alloc(2 * MIB, 'x'));
  });

  it.runIf(isRoot)('keeps owners, modes, links, attributes, lists of access, holes and sockets', async () => {
    await run(['chown', '1000:1001', root('a', 'etc', 'hosts')]);
    await chmod(root('a', 'big'), 0o4755);
    await link(root('a', 'big'), root('a', 'etc', 'same'));
    await symlink('../etc/hosts', root('a', 'etc', 'alias'));
    await run(['mkfifo', root('a', 'fifo')]);
    await run(['truncate', '-s', '64M', root('a', 'sparse')]);
    await run([
      'python3',
      '-c',
      'import os,sys; os.setxattr(sys.argv[1], "user.colour", b"blue")',
      root('a', 'big'),
    ]);
    await copyWhole({ from, to }, tree, 'Final');
    expect(await lstat(root('b', 'etc', 'hosts'))).toMatchObject({ uid: 1000, gid: 1001 });
    const [big, same, sparse] = await Promise.all(
      ['big', 'etc/same', 'sparse'].map((name) => lstat(root('b', name))),
    );
    expect((big?.mode ?? 0) & 0o7777).toBe(0o4755);
    expect(same?.ino).toBe(big?.ino);
    expect(sparse).toMatchObject({ size: 64 * MIB, blocks: 0 });
    expect(await readlink(root('b', 'etc', 'alias'))).toBe('../etc/hosts');
    expect((await lstat(root('b', 'fifo'))).isFIFO()).toBe(true);
    const colour = [
      'python3',
      '-c',
      'import os,sys; print(os.getxattr(sys.argv[1], "user.colour").decode())',
    ];
    expect(await run([...colour, root('b', 'big')])).toBe('blue\n');
    expect(await to.attach('g2-rootfs')).toMatchObject({ type: 'Directory', path: root('b') });
    for (const left of ['.arriving', '.partial']) expect(await readdir(place('b', left))).toEqual([]);
    expect(await readdir(place('a', '.partial'))).toEqual([]);
  });

  it('is copied while it runs, hidden, and completed when it is off, over restarts of both agents', async () => {
    await utimes(root('a', 'big'), 1_000_000, 1_000_000);
    await copyWhole({ from, to }, tree, 'First');
    expect(await to.observe('g2-rootfs')).toBeUndefined();
    const early = (await stat(hidden('b', 'big'))).ino;
    await writeFile(root('a', 'etc', 'hosts'), 'changed\n');
    await rm(root('a', 'etc'), { recursive: true });
    await writeFile(root('a', 'new'), 'new');
    await copyWhole({ from: await open('a'), to: await open('b') }, tree, 'Final');
    expect((await readdir(root('b'))).sort()).toEqual(['big', 'new']);
    expect((await stat(root('b', 'big'))).ino).toBe(early);
  });

  it('brings what was written within one and the same moment as the first pass', async () => {
    const at = new Date();
    await utimes(root('a', 'etc', 'hosts'), at, at);
    await copyWhole({ from, to }, tree, 'First');
    // As a program does that has the file mapped into its memory: other bytes, same size, same time.
    await writeFile(root('a', 'etc', 'hosts'), '127.0.0.9 elsewhere\n');
    await utimes(root('a', 'etc', 'hosts'), at, at);
    await copyWhole({ from, to }, tree, 'Final');
    expect(await readFile(root('b', 'etc', 'hosts'), 'utf8')).toBe('127.0.0.9 elsewhere\n');
  });

  it.runIf(isRoot)('never follows a link out of its tree', async () => {
    await writeFile(place('secret'), 'of the host');
    await symlink(home, root('a', 'out'));
    await copyWhole({ from, to }, tree, 'Final');
    expect(await readlink(root('b', 'out'))).toBe(home);
  });

  it('whose owners lie shifted arrives as the target needs them', async () => {
    if (!isRoot) return;
    const record = place('a', 'volumes', 'g2-rootfs', 'volume.json');
    const known = JSON.parse(await readFile(record, 'utf8')) as object;
    await writeFile(record, JSON.stringify({ ...known, shiftedBy: 165_536 }));
    await run(['chown', '-R', '165536:165536', root('a')]);
    await run(['chown', '165636:165637', root('a', 'big')]);
    await copyWhole({ from, to }, { ...tree, idBase: 231_072 }, 'Final');
    const attachment = await to.attach('g2-rootfs');
    if (attachment.type !== 'Directory') throw new Error('no directory');
    const base = attachment.shift === 'Idmapped' ? 0 : attachment.shift.shiftedBy;
    expect([0, 231_072]).toContain(base);
    expect(await lstat(root('b', 'big'))).toMatchObject({ uid: base + 100, gid: base + 101 });
    expect(await lstat(root('b', 'etc'))).toMatchObject({ uid: base, gid: base });
  });

  it('is taken away with what has arrived when it does not come after all', async () => {
    await copyWhole({ from, to }, tree, 'First');
    await expect(to.remove('g2-rootfs', { guestUuid: 'uuid-bert' })).rejects.toMatchObject({
      reason: 'VolumeOwnedByOther',
    });
    await to.remove('g2-rootfs', owner);
    expect(await readdir(place('b', '.arriving'))).toEqual([]);
    expect(await readFile(root('a', 'etc', 'hosts'), 'utf8')).toContain('localhost');
  });

  it('is told by both sides not to fit, and to have lost its connection', async () => {
    const full = await copyVolume({ from, to: await open('b', fullWorld()) }, tree, 'Final');
    for (const side of [full.sent, full.received])
      expect(side).toMatchObject({ reason: { reason: 'PoolFull' } });
    const cut = await copyVolume({ from, to }, tree, 'Final', {
      bytesPerSecond: MIB,
      during: ({ target }) =>
        target.on('readable', () => {
          if (target.bytesRead > MIB / 2) target.destroy();
        }),
    });
    expect([cut.sent.status, cut.received.status]).toEqual(['rejected', 'rejected']);
    expect(await to.list()).toEqual([]);
    await copyWhole({ from, to }, tree, 'Final');
    expect(await readFile(root('b', 'big'))).toHaveLength(2 * MIB);
  });
});
