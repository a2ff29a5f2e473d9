/** One directory that two hosts have as one pool at the same time. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import { ReasonedError } from '../../../../src/base/outcome.ts';
import type { StoragePool, VolumeRequest } from '../../../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../../../src/drivers/storage/directory/pool.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const owner = { guestUuid: 'uuid-anna', guest: 'anna', disk: 'data' };
const disk: VolumeRequest = { id: 'g1-data', owner, kind: 'Disk', format: 'raw', sizeBytes: MIB };
const world = { ...realWorld(), log: silentLog };

let path: string;
let a: StoragePool;
let b: StoragePool;
const open = (sharedBy?: string) =>
  openDirectoryPool({
    world,
    config: { type: 'Directory', name: 'nfs', path, ...(sharedBy === undefined ? {} : { sharedBy }) },
  });

async function stage(pool: StoragePool, content: string): Promise<string> {
  const file = join(await pool.images.stage('base'), 'base.raw');
  await writeFile(file, Buffer.alloc(MIB, content));
  return file;
}
const publish = (pool: StoragePool, file: string, sourceHash: string) =>
  pool.images.publish({ name: 'base', kind: 'Disk', sourceHash, file });

describe('a directory that two hosts share', () => {
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'vireo-shared-'));
    a = await open('a');
    b = await open('b');
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it('says that it is shared, and copies nothing to itself', () => {
    expect(a.capabilities.shared).toBe(true);
    expect([a.exportVolume, a.importVolume]).toEqual([undefined, undefined]);
  });

  it('shows each host the volumes of the other', async () => {
    const made = await a.create(disk, signal);
    expect(await b.observe('g1-data')).toEqual(made);
    expect(await b.attach('g1-data')).toEqual(await a.attach('g1-data'));
    await b.remove('g1-data', owner);
    expect(await a.list()).toEqual([]);
  });

  it('leaves what the other host is making alone when a host starts', async () => {
    const file = await stage(a, 'x');
    let permit = () => {};
    const permitted = new Promise<void>((resolve) => {
      permit = resolve;
    });
    const making = a.create(disk, signal, permitted);
    await expect.poll(() => readdir(join(path, '.partial', 'a'))).toHaveLength(1);
    await open('b');
    permit();
    await making;
    await publish(a, file, 'hash-1');
    expect((await a.images.list()).map(({ name }) => name)).toEqual(['base']);
  });

  it('cleans up after itself when a host starts again', async () => {
    await stage(a, 'x');
    await open('a');
    expect(await readdir(join(path, '.staging', 'a'))).toEqual([]);
  });

  it('gives a volume that both make at once to one guest only', async () => {
    const bert = { ...disk, owner: { ...owner, guestUuid: 'uuid-bert' } };
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.allSettled([a.create(disk, signal), b.create(bert, signal)]);
      const refusals = results.filter((result) => result.status === 'rejected');
      expect(refusals.map(({ reason }) => reason.reason)).toEqual(['VolumeOwnedByOther']);
      const winner = (await a.observe('g1-data'))?.owner.guestUuid ?? '';
      await Promise.all([
        a.remove('g1-data', { guestUuid: winner }),
        b.remove('g1-data', { guestUuid: winner }),
      ]);
      expect(await b.list()).toEqual([]);
    }
    expect(await readdir(join(path, '.partial', 'a'))).toEqual([]);
  });

  it('makes a volume of one guest once, whichever host is first', async () => {
    const [one, other] = await Promise.all([a.create(disk, signal), b.create(disk, signal)]);
    expect(one).toEqual(other);
    expect(await readdir(join(path, 'volumes'))).toEqual(['g1-data']);
  });

  it('keeps the first of two images from one source', async () => {
    const [ofA, ofB] = [await stage(a, 'a'), await stage(b, 'b')];
    const [one, other] = await Promise.all([publish(a, ofA, 'hash-1'), publish(b, ofB, 'hash-1')]);
    expect(one).toEqual(other);
    await b.create({ ...disk, image: 'base' }, signal);
    const attached = await a.attach('g1-data');
    if (attached.type !== 'File') throw new Error('no file');
    expect(new Set((await readFile(attached.path)).toString()).size).toBe(1);
    for (const host of ['a', 'b']) {
      expect(await readdir(join(path, '.staging', host))).toEqual([]);
      expect(await readdir(join(path, '.partial', host))).toEqual([]);
    }
  });

  it('makes no volume of an image that the other host removes meanwhile', async () => {
    await publish(a, await stage(a, 'x'), 'hash-1');
    const [made] = await Promise.allSettled([
      a.create({ ...disk, image: 'base' }, signal),
      b.images.remove('base'),
    ]);
    if (made.status === 'rejected')
      expect(made.reason).toMatchObject({ reason: expect.stringMatching(/ImageMissing|StorageFailed/) });
    else {
      const attached = await b.attach('g1-data');
      if (attached.type === 'File')
        expect((await readFile(attached.path)).equals(Buffer.alloc(MIB, 'x'))).toBe(true);
    }
  });

  it('is left as it is by a rollback whose host is lost in that moment: none of its programs is started any more', async () => {
    let isLost = false;
    const lost = new ReasonedError('GateClosed', 'the keeper has ended all that counts as the guest');
    const admission = async () => {
      if (isLost) throw lost;
      return { prefix: [], ended: () => {} };
    };
    const config = { type: 'Directory', name: 'nfs', path, sharedBy: 'c' } as const;
    const c = await openDirectoryPool({ world, admission, config });
    await c.create({ ...disk, format: 'qcow2' }, signal);
    await c.snapshots.take('g1-data', 'then');
    const rollBack = c.snapshots.rollBack(['g1-data'], 'then', async () => {
      isLost = true;
    });
    await expect(rollBack).rejects.toBe(lost);
    // Whoever uses the disk next finds nothing that was begun.
    expect(await readdir(join(path, '.rollbacks'))).toEqual([]);
    expect(await a.snapshots.list('g1-data')).toEqual(['then']);
  });

  it('has two disks rolled back, or none, for the host that has their guest next, whatever the first had done when it was lost', async () => {
    const names = ['g1-data', 'g1-logs'];
    const seen = new Set<string>();
    for (let programs = 0; !seen.has('done'); programs += 1) {
      let left = Number.POSITIVE_INFINITY;
      const admission = async () => {
        left -= 1;
        if (left < 0)
          throw new ReasonedError('GateClosed', 'the keeper has ended all that counts as the guest');
        return { prefix: [], ended: () => {} };
      };
      const config = { type: 'Directory', name: 'nfs', path, sharedBy: 'c' } as const;
      const c = await openDirectoryPool({ world, admission, config });
      for (const id of names) {
        await c.create({ ...disk, id, format: 'qcow2' }, signal);
        await c.snapshots.take(id, 'then');
        await c.resize(id, 2 * MIB, { running: false });
      }
      const rolledBack = c.snapshots.rollBack(names, 'then', async () => {
        left = programs;
      });
      const ended = await rolledBack.then(
        () => 'done',
        () => 'lost',
      );
      const sizes = [];
      for (const id of names) {
        await a.attach(id);
        sizes.push(((await a.observe(id))?.sizeBytes ?? 0) / MIB);
      }
      seen.add(ended).add(sizes.join());
      for (const id of names) await a.remove(id, owner);
    }
    expect(seen).toEqual(new Set(['lost', 'done', '2,2', '1,1']));
  }, 60_000);

  it('is refused to a host that takes it for its own', async () => {
    await expect(open()).rejects.toMatchObject({ reason: 'PoolInUse', stalled: true });
  });
});
