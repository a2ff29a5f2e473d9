/** Archives that are brought from the pool of one host to another's for one volume: whole and as they lie there, or nothing of them. */
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Files } from '../../../../src/base/files.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type {
  ArchiveAbout,
  ArchivedVolume,
  ArchiveReceiving,
  StoragePool,
} from '../../../../src/drivers/storage/contract.ts';
import { createWire } from '../../../../src/drivers/storage/copying/wire.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';
import { connectHosts } from '../../../contract/storage/copying.ts';

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
  compression: 'None',
};
/** What the disk holds, so that it is found where it should not be. */
const LETTERS = 'secretsecretsecret';

let root: string;
let here: StoragePool;
let there: StoragePool;
/** What the file system has left for the pool here; its own number when undefined. */
let freeBytes: number | undefined;

const openPool = (name: string, ageKey?: string, space: Files['space'] = real.files.space) =>
  openDirectoryPool({
    world: { ...real, log: silentLog, files: { ...real.files, space } },
    config: {
      ...{ type: 'Directory', name, path: join(root, name) },
      ...(ageKey === undefined ? {} : { ageKey: { file: ageKey } }),
    },
  });
const limited: Files['space'] = async (path) => {
  const found = await real.files.space(path);
  return { ...found, freeBytes: freeBytes ?? found.freeBytes };
};
const must = async (argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await real.processes.run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
  return stdout;
};
const disk = () => join(root, 'disk.raw');
const leftHere = () => readdir(join(root, 'here', '.partial'));

/** A full archive of the disk and one of what was written after it. */
async function archiveTwo(encryption?: 'Age') {
  const sealed = encryption === undefined ? {} : { encryption };
  for (const [name, base] of [['backup-1'], ['backup-2', 'backup-1']] as const) {
    const { filling } = there.archives;
    await filling.begin(name, { bases: base === undefined ? [] : [base], ...sealed });
    const to = await filling.target(name, {
      ...{ name: 'data', sizeBytes: 8 * MIB, compression: 'None', holdsAll: base === undefined },
    });
    const written = join(root, 'written');
    await real.files.writeAtomic(written, LETTERS.repeat(base === undefined ? 30_000 : 10_000));
    await must(['truncate', '-s', '576k', written]);
    await must(['qemu-io', '-f', 'qcow2', '-c', `write -s ${written} 0 576k`, to]);
    await must(['dd', `if=${written}`, `of=${disk()}`, 'conv=notrunc', 'status=none']);
    filling.holds(name, 'data', base === undefined ? { bitmap: 'New' } : { bitmap: 'Used', base });
    await filling.finish(name, about, signal);
  }
}

/** Brings it over; `during` may listen or disturb. */
async function bring(
  options: Partial<ArchiveReceiving> & { bytesPerSecond?: number } = {},
  during: (ends: { source: Socket; target: Socket }) => void = () => {},
): Promise<[PromiseSettledResult<ArchivedVolume>, PromiseSettledResult<void>]> {
  const { bytesPerSecond, ...receiving } = options;
  const { source, target } = await connectHosts();
  during({ source, target });
  return Promise.allSettled([
    here.archives
      .receive('backup-2', 'data', target, { signal, ...receiving })
      .finally(() => target.destroy()),
    there.archives
      .send('backup-2', 'data', source, {
        signal,
        ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
      })
      .finally(() => source.end()),
  ]);
}

async function restored(archived: ArchivedVolume): Promise<string> {
  const owner = { guestUuid: 'uuid-1', guest: 'web', disk: 'data' };
  await here.create({ id: 'g1-data', owner, kind: 'Disk', format: 'raw', archived }, signal);
  return (await here.attach('g1-data')).path;
}

function brought([received, sent]: Awaited<ReturnType<typeof bring>>): ArchivedVolume {
  for (const side of [received, sent]) if (side.status === 'rejected') throw side.reason;
  if (received.status === 'rejected') throw received.reason;
  return received.value;
}

beforeEach(async () => {
  freeBytes = undefined;
  root = await mkdtemp(join(tmpdir(), 'vireo-bringing-'));
  there = await openPool('there');
  here = await openPool('here', undefined, limited);
  await must(['truncate', '-s', '8M', disk()]);
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('an archive of another host', () => {
  it('makes a volume here with all that it is based on, and is seen by nobody, and gone when it was made', async () => {
    await archiveTwo();
    const told: number[] = [];
    const archived = brought(
      await bring({ follow: ({ doneBytes, totalBytes }) => told.push(doneBytes / totalBytes) }),
    );
    expect(archived.bases).toHaveLength(1);
    expect(told.at(-1)).toBe(1);
    expect(await here.archives.list()).toEqual([]);
    await must(['cmp', disk(), await restored(archived)]);
    expect(await leftHere()).toEqual([]);
    expect(await there.archives.list()).toEqual(['backup-1', 'backup-2']);
  });

  it('that is encrypted stays so on its way, and is opened here with the key of the pool that it comes from', async () => {
    const [key, other] = [join(root, 'key'), join(root, 'other')];
    for (const file of [key, other]) await must(['age-keygen', '-o', file]);
    there = await openPool('there', key);
    here = await openPool('here', other, limited);
    await archiveTwo('Age');
    const [received] = await bring();
    expect(received).toMatchObject({ status: 'rejected', reason: { reason: 'KeyWrong' } });
    expect(await leftHere()).toEqual([]);
    const wire: Buffer[] = [];
    const archived = brought(
      await bring({ key: () => real.files.readText(key) }, ({ target }) => {
        const read = target.read.bind(target);
        target.read = (...size) => {
          const data: unknown = read(...size);
          if (Buffer.isBuffer(data)) wire.push(data);
          return data;
        };
      }),
    );
    const told = Buffer.concat(wire).toString('latin1');
    expect(told).toContain('age-encryption.org/v1');
    expect(told).not.toContain(LETTERS);
    await must(['cmp', disk(), await restored(archived)]);
    expect(await leftHere()).toEqual([]);
  });

  it('of which a byte is another is refused as it arrives, on both sides, and nothing of it stays', async () => {
    await archiveTwo();
    const file = await open(join(root, 'there', 'archives', 'backup-1', 'data.qcow2'), 'r+');
    await file.write(Buffer.from([7]), 0, 1, (await file.stat()).size - 1);
    await file.close();
    const reason = { reason: 'ArchiveBroken', message: expect.stringContaining('backup-1') };
    for (const side of await bring()) expect(side).toMatchObject({ status: 'rejected', reason });
    expect(await leftHere()).toEqual([]);
  });

  it.each([
    ['names a file of the host', (part: object) => ({ ...part, file: '../../../../etc/cron.d/x' }), 100],
    ['has more than it said', (part: object) => part, 4_000_000],
    [
      'is based on a file of the host',
      (part: object) => ({ ...part, base: '../../x', baseSha256: '0'.repeat(64) }),
      100,
    ],
  ])('is refused from a host that means ill: it %s', async (_what, change, length) => {
    await archiveTwo();
    const manifest = JSON.parse(await readFile(join(root, 'there/archives/backup-2/manifest.json'), 'utf8'));
    const { source, target } = await connectHosts();
    const wire = createWire(source, signal, real.clock);
    const say = async () => {
      await wire.tell({ version: 1, bytes: 1_000_000 });
      await wire.hear();
      await wire.send(Buffer.from(JSON.stringify({ ...manifest, parts: manifest.parts.map(change) })));
      await wire.end();
      for (let sent = 0; sent < length; sent += 100_000)
        await wire.send(Buffer.alloc(Math.min(length, 100_000)));
      await wire.end();
      await wire.hear();
    };
    const [received] = await Promise.allSettled([
      here.archives.receive('backup-2', 'data', target, { signal }).finally(() => target.destroy()),
      say().finally(() => source.destroy()),
    ]);
    expect(received).toMatchObject({ status: 'rejected', reason: { reason: 'ArchiveBroken' } });
    expect(await leftHere()).toEqual([]);
    expect(await readdir(root)).not.toContain('x');
  });

  it('for which there is no room is not begun, and both sides hear it', async () => {
    await archiveTwo();
    freeBytes = 16 * MIB + 1;
    for (const side of await bring())
      expect(side).toMatchObject({ status: 'rejected', reason: { reason: 'PoolFull' } });
    expect(await leftHere()).toEqual([]);
  });

  it('of which the connection breaks leaves nothing, and is brought as a whole at the next try', async () => {
    await archiveTwo();
    let breakOff = () => {};
    const follow = ({ doneBytes = 0 }) => (doneBytes > MIB / 4 ? breakOff() : undefined);
    const [received, sent] = await bring({ follow }, ({ source }) => {
      breakOff = () => void source.destroy();
    });
    expect([received.status, sent.status]).toEqual(['rejected', 'rejected']);
    expect(received).toMatchObject({ reason: { reason: 'PeerHungUp' } });
    expect(await leftHere()).toEqual([]);
    await must(['cmp', disk(), await restored(brought(await bring()))]);
  });

  it('that is missing, or has no such volume, is said by the other host', async () => {
    const [received] = await bring();
    expect(received).toMatchObject({
      status: 'rejected',
      reason: { reason: 'ArchiveMissing', stalled: true },
    });
  });

  it('comes no faster than is allowed', async () => {
    await archiveTwo();
    const begun = Date.now();
    const archived = brought(await bring({ bytesPerSecond: 2 * MIB }));
    expect(Date.now() - begun).toBeGreaterThan(500);
    await archived.dispose?.();
    expect(await leftHere()).toEqual([]);
  });
});
