/** What every storage pool promises, told once and run for each driver. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReasonedError } from '../../../src/base/outcome.ts';
import type { StoragePool, VolumeRequest } from '../../../src/drivers/storage/contract.ts';
import { copyVolume, copyWhole } from './copying.ts';
import { revocationSuite } from './revoking.ts';

/** One pool somewhere; `open` may be called again, as a restarted agent does. */
export type PoolLab = {
  open(): Promise<StoragePool>;
  /** Puts a good disk image of 1 MiB, a root file system or rubbish into a staging directory; answers with its path. */
  diskImage(directory: string): Promise<string>;
  rootfsImage(directory: string): Promise<string>;
  brokenImage(directory: string): Promise<string>;
  /** The same pool as another host of this name has it open; absent: it is no pool of several hosts. */
  openOn?(host: string): Promise<StoragePool>;
  /** From now on nothing more fits, or everything does again. */
  setFull(full: boolean): void;
  remove(): Promise<void>;
};

const MIB = 1024 * 1024;
const signal = new AbortController().signal;
const anna = { guestUuid: 'uuid-anna', guest: 'VirtualMachine/default/anna', disk: 'data' };
const bert = { guestUuid: 'uuid-bert', guest: 'VirtualMachine/default/bert', disk: 'data' };

function disk(id: string, changes: Partial<VolumeRequest> = {}): VolumeRequest {
  return { id, owner: anna, kind: 'Disk', format: 'qcow2', sizeBytes: 96 * MIB, ...changes };
}

async function reasonOf(
  work: Promise<unknown>,
): Promise<{ reason: string; stalled: boolean; message: string }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ReasonedError)) throw new Error(`expected a ReasonedError, got ${String(error)}`);
  return { reason: error.reason, stalled: error.stalled, message: error.message };
}

/** Runs the suite for the pools that `makeLab` makes. */
export function storageSuite(name: string, makeLab: () => Promise<PoolLab>): void {
  describe(`a ${name} pool`, () => {
    let lab: PoolLab;
    let pool: StoragePool;

    beforeEach(async () => {
      lab = await makeLab();
      pool = await lab.open();
    });
    afterEach(() => lab.remove());

    const publish = async (image: string, kind: 'Disk' | 'ContainerRootfs', sourceHash = 'hash-1') => {
      const directory = await pool.images.stage(image);
      const file = kind === 'Disk' ? await lab.diskImage(directory) : await lab.rootfsImage(directory);
      return pool.images.publish({ name: image, kind, sourceHash, file });
    };

    it('asks at most a dozen things of its driver in one place', () => {
      const asked = (part: object) => Object.values(part).filter((one) => typeof one === 'function').length;
      const { snapshots, archives, replacements, revocations = {}, images } = pool;
      const parts = {
        pool,
        snapshots,
        archives,
        filling: archives.filling,
        replacements,
        revocations,
        images,
      };
      const all = Object.entries(parts).filter(([, part]) => asked(part) > 12);
      expect(all.map(([name]) => name)).toEqual([]);
      const isKnown = (value: unknown) => Object.values<unknown>(parts).includes(value);
      const strange = Object.entries(pool).filter(
        ([, value]) => typeof value === 'object' && !isKnown(value),
      );
      expect(strange.map(([name]) => name)).toEqual(['capabilities']);
    });

    it('makes a blank disk and shows it with its owner', async () => {
      const made = await pool.create(disk('g1-data'), signal);
      expect(made).toMatchObject({
        id: 'g1-data',
        kind: 'Disk',
        format: 'qcow2',
        sizeBytes: 96 * MIB,
        owner: anna,
      });
      expect(await pool.observe('g1-data')).toEqual(made);
      expect((await pool.list()).map((volume) => volume.id)).toEqual(['g1-data']);
      expect(await pool.attach('g1-data')).toMatchObject({ type: 'File', format: 'qcow2' });
    });

    it('makes a volume once, however often it is asked', async () => {
      const first = await pool.create(disk('g1-data'), signal);
      const again = await Promise.all([
        pool.create(disk('g1-data'), signal),
        pool.create(disk('g1-data'), signal),
      ]);
      expect(again).toEqual([first, first]);
      expect(await pool.list()).toHaveLength(1);
    });

    it('shows a volume only once it is permitted, and leaves nothing of one that is not', async () => {
      let permit = () => {};
      const permission = new Promise<void>((resolve) => {
        permit = resolve;
      });
      const making = pool.create(disk('g1-data'), signal, permission);
      expect(await pool.list()).toEqual([]);
      permit();
      const made = await making;
      expect(await pool.observe('g1-data')).toEqual(made);

      const refusal = Promise.reject(new Error('nobody knows the guest'));
      refusal.catch(() => {});
      const refused = pool.create(disk('g2-data'), signal, refusal);
      await expect(refused).rejects.toThrow('nobody knows the guest');
      expect((await pool.list()).map((volume) => volume.id)).toEqual(['g1-data']);
    });

    it('finds its volumes and images again after a restart of the agent', async () => {
      await publish('base', 'Disk');
      const made = await pool.create(disk('g1-data', { image: 'base' }), signal);
      const reopened = await lab.open();
      expect(await reopened.observe('g1-data')).toEqual(made);
      expect((await reopened.images.list()).map((image) => image.name)).toEqual(['base']);
    });

    it('gives a volume to nobody but its owner', async () => {
      await pool.create(disk('g1-data'), signal);
      const create = await reasonOf(pool.create(disk('g1-data', { owner: bert }), signal));
      const remove = await reasonOf(pool.remove('g1-data', { guestUuid: bert.guestUuid }));
      expect([create.reason, remove.reason]).toEqual(['VolumeOwnedByOther', 'VolumeOwnedByOther']);
      expect(create.message).toContain(anna.guest);
      expect(await pool.observe('g1-data')).toMatchObject({ owner: anna });
    });

    it('removes a volume, and again without complaint', async () => {
      await pool.create(disk('g1-data'), signal);
      await pool.remove('g1-data', anna);
      await pool.remove('g1-data', anna);
      expect(await pool.observe('g1-data')).toBeUndefined();
      expect(await pool.list()).toEqual([]);
      expect((await reasonOf(pool.attach('g1-data'))).reason).toBe('VolumeMissing');
    });

    it('grows a disk and refuses to shrink it', async () => {
      await pool.create(disk('g1-data'), signal);
      await pool.resize('g1-data', 192 * MIB, { running: false });
      await pool.resize('g1-data', 192 * MIB, { running: false });
      expect(await pool.observe('g1-data')).toMatchObject({ sizeBytes: 192 * MIB });
      const shrink = await reasonOf(pool.resize('g1-data', 96 * MIB, { running: false }));
      expect(shrink).toMatchObject({ reason: 'VolumeCannotShrink', stalled: true });
      expect(await pool.observe('g1-data')).toMatchObject({ sizeBytes: 192 * MIB });
    });

    it('limits a tree where it can, as often as it is told to, and says when there is none', async () => {
      if (pool.limit === undefined) return;
      const tree: VolumeRequest = { id: 'g3-rootfs', owner: anna, kind: 'Filesystem', format: 'raw' };
      await pool.create(tree, signal);
      for (const bytes of [96 * MIB, 96 * MIB, 64 * MIB, undefined, undefined])
        await pool.limit(tree.id, bytes);
      expect((await reasonOf(pool.limit('g9-rootfs', 96 * MIB))).reason).toBe('VolumeMissing');
    });

    it('copies an image into a disk that is larger than it', async () => {
      const image = await publish('base', 'Disk');
      expect(image).toMatchObject({ name: 'base', kind: 'Disk', sourceHash: 'hash-1' });
      expect(image.checksum).toMatch(/^sha256:[0-9a-f]{64}$/);
      const made = await pool.create(disk('g1-data', { image: 'base', sizeBytes: 256 * MIB }), signal);
      expect(made).toMatchObject({ sizeBytes: 256 * MIB });
    });

    it('gives a disk without a size the size of its image', async () => {
      const image = await publish('base', 'Disk');
      const { sizeBytes: _, ...request } = disk('g1-data', { image: 'base' });
      expect(await pool.create(request, signal)).toMatchObject({ sizeBytes: image.virtualSizeBytes });
    });

    it('refuses a disk smaller than its image, and one without any size', async () => {
      await publish('base', 'Disk');
      const small = await reasonOf(pool.create(disk('g1-data', { image: 'base', sizeBytes: 1024 }), signal));
      const { sizeBytes: _, ...request } = disk('g2-data');
      const none = await reasonOf(pool.create(request, signal));
      expect([small.reason, none.reason]).toEqual(['SizeTooSmall', 'SizeTooSmall']);
      expect(await pool.list()).toEqual([]);
    });

    it('makes a container root from an image', async () => {
      await publish('busybox', 'ContainerRootfs');
      const made = await pool.create(
        { id: 'g3-rootfs', owner: anna, kind: 'Filesystem', format: 'raw', image: 'busybox' },
        signal,
      );
      expect(made).toMatchObject({ kind: 'Filesystem', format: 'directory', sizeBytes: 0 });
      expect(await pool.attach('g3-rootfs')).toMatchObject({ type: 'Directory' });
    });

    it('waits for a missing image and refuses one of the wrong kind', async () => {
      const missing = await reasonOf(pool.create(disk('g1-data', { image: 'base' }), signal));
      expect(missing).toMatchObject({ reason: 'ImageMissing', stalled: false });
      await publish('busybox', 'ContainerRootfs');
      const wrong = await reasonOf(pool.create(disk('g1-data', { image: 'busybox' }), signal));
      expect(wrong.reason).toBe('ImageBroken');
    });

    it('refuses a broken image and shows nothing of it', async () => {
      const directory = await pool.images.stage('base');
      const file = await lab.brokenImage(directory);
      const refusal = await reasonOf(
        pool.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'x', file }),
      );
      expect(refusal).toMatchObject({ reason: 'ImageBroken', stalled: true });
      expect(await pool.images.list()).toEqual([]);
    });

    it('keeps the old image when its successor is broken', async () => {
      const old = await publish('base', 'Disk');
      const directory = await pool.images.stage('base');
      const file = await lab.brokenImage(directory);
      await reasonOf(pool.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'hash-2', file }));
      expect(await pool.images.list()).toEqual([old]);
    });

    it('replaces an image made from another source and leaves its volumes alone', async () => {
      await publish('base', 'Disk', 'hash-1');
      const made = await pool.create(disk('g1-data', { image: 'base' }), signal);
      await publish('base', 'Disk', 'hash-2');
      expect((await pool.images.list()).map((image) => image.sourceHash)).toEqual(['hash-2']);
      await pool.images.remove('base');
      await pool.images.remove('base');
      expect(await pool.images.list()).toEqual([]);
      expect(await pool.observe('g1-data')).toEqual(made);
    });

    it('forgets an image that was staged but never published', async () => {
      const directory = await pool.images.stage('base');
      const file = await lab.diskImage(directory);
      const reopened = await lab.open();
      expect(await reopened.images.list()).toEqual([]);
      const gone = await reasonOf(
        reopened.images.publish({ name: 'base', kind: 'Disk', sourceHash: 'x', file }),
      );
      expect(gone.reason).toBe('ImageMissing');
    });

    it('says how many bytes are missing when it is full, and goes on when there is room again', async () => {
      await publish('base', 'Disk');
      lab.setFull(true);
      const full = await reasonOf(pool.create(disk('g1-data', { image: 'base' }), signal));
      expect(full).toMatchObject({ reason: 'PoolFull', stalled: false });
      expect(full.message).toMatch(/lacks \d+ bytes/);
      expect(await pool.list()).toEqual([]);
      lab.setFull(false);
      await pool.create(disk('g1-data', { image: 'base' }), signal);
      expect(await pool.list()).toHaveLength(1);
    });

    it('tells its capacity and what it has promised', async () => {
      await pool.create(disk('g1-data'), signal);
      await pool.create(disk('g2-data', { owner: bert, sizeBytes: 64 * MIB }), signal);
      const facts = await pool.facts();
      expect(facts).toMatchObject({ healthy: true, allocatedBytes: 160 * MIB });
      expect(facts.totalBytes).toBeGreaterThan(0);
    });

    it('lets nothing out of its directory by name', async () => {
      for (const id of ['../evil', 'a/b', '..', '.hidden', '', 'A']) {
        expect((await reasonOf(pool.create(disk(id), signal))).reason).toBe('NameInvalid');
      }
      expect((await reasonOf(pool.images.stage('../evil'))).reason).toBe('NameInvalid');
    });

    describe('and the same pool of another host', () => {
      const tree: VolumeRequest = { id: 'g3-rootfs', owner: anna, kind: 'Filesystem', format: 'raw' };
      let otherLab: PoolLab;
      let other: StoragePool;
      beforeEach(async () => {
        otherLab = await makeLab();
        other = await otherLab.open();
      });
      afterEach(() => otherLab.remove());

      it('copies a disk, and again when nobody heard that it was done', async () => {
        const made = await pool.create(disk('g1-data'), signal);
        for (let time = 0; time < 2; time += 1) {
          await copyWhole({ from: pool, to: other }, disk('g1-data'), 'Final');
          const { usedBytes: _, ...facts } = made;
          expect(await other.observe('g1-data')).toMatchObject(facts);
        }
        expect(await pool.observe('g1-data')).toEqual(made);
      });

      it('shows a container root after the last pass only, restarts between or not', async () => {
        await pool.create(tree, signal);
        await copyWhole({ from: pool, to: other }, tree, 'First');
        expect(await other.list()).toEqual([]);
        const reopened = await otherLab.open();
        await copyWhole({ from: pool, to: reopened }, tree, 'Final');
        expect(await reopened.attach(tree.id)).toMatchObject({ type: 'Directory' });
      });

      it('copies no disk of a guest that runs, none that is not there and none of another kind', async () => {
        await pool.create(disk('g1-data'), signal);
        const running = await copyVolume({ from: pool, to: other }, disk('g1-data'), 'First');
        const otherKind = await copyVolume(
          { from: pool, to: other },
          disk('g1-data', { format: 'raw' }),
          'Final',
        );
        expect(running.sent).toMatchObject({ reason: { reason: 'GuestNotOff' } });
        expect(otherKind.received).toMatchObject({ reason: { reason: 'VolumeDiffers' } });
        const missing = await copyVolume({ from: pool, to: other }, disk('g9-data'), 'Final');
        expect(missing.sent).toMatchObject({ reason: { reason: 'VolumeMissing' } });
        expect(missing.received).toMatchObject({ reason: { reason: 'PeerHungUp' } });
      });

      it('refuses on both sides what belongs to another guest there, and what does not fit', async () => {
        await pool.create(disk('g1-data'), signal);
        otherLab.setFull(true);
        const full = await copyVolume({ from: pool, to: other }, disk('g1-data'), 'Final');
        otherLab.setFull(false);
        await other.create(disk('g1-data', { owner: bert }), signal);
        const owned = await copyVolume({ from: pool, to: other }, disk('g1-data'), 'Final');
        for (const side of [full.sent, full.received])
          expect(side).toMatchObject({ reason: { reason: 'PoolFull' } });
        for (const side of [owned.sent, owned.received])
          expect(side).toMatchObject({ reason: { reason: 'VolumeOwnedByOther' } });
        expect(await other.observe('g1-data')).toMatchObject({ owner: bert });
      });

      it('shows nothing of a copy that broke off, and gets it at the next try', async () => {
        await pool.create(disk('g1-data'), signal);
        const { sent, received } = await copyVolume({ from: pool, to: other }, disk('g1-data'), 'Final', {
          during: ({ target }) => target.destroy(),
        });
        expect([sent.status, received.status]).toEqual(['rejected', 'rejected']);
        expect(await other.list()).toEqual([]);
        await copyWhole({ from: pool, to: other }, disk('g1-data'), 'Final');
        expect(await other.list()).toHaveLength(1);
      });
    });

    revocationSuite(makeLab);

    describe('and snapshots', () => {
      beforeEach(() => pool.create(disk('g1-data'), signal));

      it('takes them once, lists them, and removes any of them, also in the middle', async () => {
        for (const name of ['s-1', 's-2', 's-2', 's-3']) await pool.snapshots.take('g1-data', name);
        expect(await pool.snapshots.list('g1-data')).toEqual(['s-1', 's-2', 's-3']);
        await pool.snapshots.remove('g1-data', 's-2');
        await pool.snapshots.remove('g1-data', 's-2');
        const reopened = await lab.open();
        expect(await reopened.snapshots.list('g1-data')).toEqual(['s-1', 's-3']);
        await reopened.snapshots.rollBack(['g1-data'], 's-1');
        expect(await reopened.snapshots.list('g1-data')).toEqual(['s-1', 's-3']);
      });

      it('rolls back to any of them, size included, with the owner it has', async () => {
        await pool.snapshots.take('g1-data', 's-small');
        await pool.resize('g1-data', 192 * MIB, { running: false });
        await pool.snapshots.take('g1-data', 's-large');
        await pool.snapshots.rollBack(['g1-data'], 's-small');
        expect(await pool.observe('g1-data')).toMatchObject({ sizeBytes: 96 * MIB, owner: anna });
        await pool.snapshots.rollBack(['g1-data'], 's-large');
        expect(await pool.observe('g1-data')).toMatchObject({ sizeBytes: 192 * MIB, owner: anna });
        expect(await pool.attach('g1-data')).toMatchObject({ type: 'File' });
      });

      it('rolls several volumes back together, and none when one of them has not got it', async () => {
        await pool.create(disk('g1-logs'), signal);
        const both = ['g1-data', 'g1-logs'];
        const grow = () => Promise.all(both.map((id) => pool.resize(id, 192 * MIB, { running: false })));
        for (const id of both) await pool.snapshots.take(id, 's-1');
        await pool.snapshots.take('g1-data', 's-alone');
        await grow();
        expect((await reasonOf(pool.snapshots.rollBack(both, 's-alone'))).reason).toBe('SnapshotMissing');
        for (const id of both) expect(await pool.observe(id)).toMatchObject({ sizeBytes: 192 * MIB });
        await pool.snapshots.rollBack(both, 's-1');
        for (const id of both) expect(await pool.observe(id)).toMatchObject({ sizeBytes: 96 * MIB });
        await grow();
        const reopened = await lab.open();
        for (const id of both) {
          await reopened.attach(id);
          expect(await reopened.observe(id)).toMatchObject({ sizeBytes: 192 * MIB });
        }
      });

      it('rolls nothing back that is not permitted any more when all is read', async () => {
        await pool.snapshots.take('g1-data', 's-small');
        await pool.resize('g1-data', 192 * MIB, { running: false });
        const forbidden = async () => {
          throw new ReasonedError('PlacementChanged', 'the guest is elsewhere');
        };
        const refused = pool.snapshots.rollBack(['g1-data'], 's-small', forbidden);
        expect((await reasonOf(refused)).reason).toBe('PlacementChanged');
        const reopened = await lab.open();
        await reopened.attach('g1-data');
        expect(await reopened.observe('g1-data')).toMatchObject({ sizeBytes: 192 * MIB });
      });

      it('makes a volume of another guest from one, and keeps it when the first is removed', async () => {
        await pool.snapshots.take('g1-data', 's-1');
        const from = { volume: 'g1-data', snapshot: 's-1' };
        const made = await pool.create(disk('g2-data', { owner: bert, sizeBytes: 192 * MIB, from }), signal);
        expect(made).toMatchObject({ id: 'g2-data', owner: bert, sizeBytes: 192 * MIB, kind: 'Disk' });
        const small = pool.create(disk('g3-data', { sizeBytes: MIB, from }), signal);
        expect((await reasonOf(small)).reason).toBe('SizeTooSmall');
        await pool.remove('g1-data', anna);
        expect(await pool.observe('g2-data')).toMatchObject({ owner: bert });
        expect(await pool.snapshots.list('g2-data')).toEqual([]);
      });

      it('lets them go with their volume: a new one of the same name has none', async () => {
        await pool.snapshots.take('g1-data', 's-1');
        await pool.remove('g1-data', anna);
        await pool.create(disk('g1-data'), signal);
        expect(await pool.snapshots.list('g1-data')).toEqual([]);
        expect((await reasonOf(pool.snapshots.rollBack(['g1-data'], 's-1'))).reason).toBe('SnapshotMissing');
      });

      it('says what is missing, and lets nothing out of its directory by name', async () => {
        expect((await reasonOf(pool.snapshots.take('g9-data', 's-1'))).reason).toBe('VolumeMissing');
        expect(await pool.snapshots.list('g9-data')).toEqual([]);
        await pool.snapshots.remove('g9-data', 's-1');
        const from = { volume: 'g1-data', snapshot: 's-9' };
        const made = pool.create(disk('g2-data', { owner: bert, from }), signal);
        expect((await reasonOf(made)).reason).toBe('SnapshotMissing');
        expect((await reasonOf(pool.snapshots.take('g1-data', '../s'))).reason).toBe('NameInvalid');
        expect(await pool.observe('g2-data')).toBeUndefined();
      });

      it('does of each format what its capabilities say', async () => {
        const tree: VolumeRequest = { id: 'g3-rootfs', owner: anna, kind: 'Filesystem', format: 'raw' };
        await pool.create(tree, signal);
        await pool.create(disk('g4-data', { format: 'raw' }), signal);
        const volumes = { directory: 'g3-rootfs', raw: 'g4-data', qcow2: 'g1-data' } as const;
        for (const [format, id] of Object.entries(volumes)) {
          const can = pool.capabilities.snapshots[format as keyof typeof volumes] !== undefined;
          const taken = pool.snapshots.take(id, 's-1');
          if (can) await taken;
          else expect(await reasonOf(taken)).toMatchObject({ reason: 'SnapshotUnsupported', stalled: true });
          expect(await pool.snapshots.list(id)).toEqual(can ? ['s-1'] : []);
        }
      });
    });

    describe('and replacements', () => {
      const replacement = (name = 'restore-1', id = 'g1-data') => ({
        id,
        name,
        open: () => pool.archives.open('backup-1', 'data', signal),
      });
      beforeEach(async () => {
        await pool.create(disk('g1-data'), signal);
        await pool.archives.filling.begin('backup-1');
        const attachment = await pool.attach('g1-data');
        await pool.archives.filling.save('backup-1', { name: 'data', attachment }, 'Zstd', signal);
        const guest = { kind: 'VirtualMachine', namespace: 'default', name: 'anna', uid: 'u', uuid: 'uuid' };
        const how = { mode: 'Snapshot', consistency: 'Crash', compression: 'Zstd' } as const;
        const about = { guest, labels: {}, spec: {}, takenAt: '2026-01-01T00:00:00Z', stillMilliseconds: 0 };
        await pool.archives.filling.finish('backup-1', { ...about, ...how }, signal);
      });

      it('prepares one beside the volume, which stays what it is, and has it in its place through restarts', async () => {
        const before = await pool.observe('g1-data');
        await pool.replacements.prepare(replacement(), signal);
        expect(await pool.observe('g1-data')).toEqual(before);
        expect(await pool.list()).toHaveLength(1);
        const reopened = await lab.open();
        await reopened.archives.remove('backup-1');
        await reopened.replacements.prepare(replacement(), signal);
        for (let time = 0; time < 2; time += 1) await reopened.replacements.swap(['g1-data'], 'restore-1');
        expect(await reopened.observe('g1-data')).toMatchObject({ owner: anna, sizeBytes: 96 * MIB });
        expect(await reopened.attach('g1-data')).toMatchObject({ type: 'File', format: 'qcow2' });
        expect(await reopened.list()).toHaveLength(1);
      });

      it('puts none in its place that is not permitted any more, and can be told to forget it', async () => {
        await pool.resize('g1-data', 192 * MIB, { running: false });
        await pool.replacements.prepare(replacement(), signal);
        const forbidden = async () => {
          throw new ReasonedError('PlacementChanged', 'the guest is elsewhere');
        };
        const refused = pool.replacements.swap(['g1-data'], 'restore-1', forbidden);
        expect((await reasonOf(refused)).reason).toBe('PlacementChanged');
        const reopened = await lab.open();
        await reopened.attach('g1-data');
        await reopened.replacements.discard('g1-data', 'restore-1');
        const gone = reopened.replacements.swap(['g1-data'], 'restore-1');
        expect((await reasonOf(gone)).reason).toBe('ReplacementMissing');
      });

      it('forgets one that is not wanted any more, and all with their volume', async () => {
        await pool.replacements.prepare(replacement(), signal);
        for (let time = 0; time < 2; time += 1) await pool.replacements.discard('g1-data', 'restore-1');
        expect((await reasonOf(pool.replacements.swap(['g1-data'], 'restore-1'))).reason).toBe(
          'ReplacementMissing',
        );
        await pool.replacements.prepare(replacement(), signal);
        await pool.remove('g1-data', anna);
        await pool.create(disk('g1-data'), signal);
        expect((await reasonOf(pool.replacements.swap(['g1-data'], 'restore-1'))).reason).toBe(
          'ReplacementMissing',
        );
      });

      it('makes none where there is no volume, nor what does not fit', async () => {
        const missing = pool.replacements.prepare(replacement('restore-1', 'g9-data'), signal);
        expect((await reasonOf(missing)).reason).toBe('VolumeMissing');
        expect((await reasonOf(pool.replacements.prepare(replacement('../r'), signal))).reason).toBe(
          'NameInvalid',
        );
        lab.setFull(true);
        expect((await reasonOf(pool.replacements.prepare(replacement(), signal))).reason).toBe('PoolFull');
        lab.setFull(false);
        await pool.replacements.prepare(replacement(), signal);
      });
    });

    it('leaves nothing when the work is called off', async () => {
      const abort = new AbortController();
      abort.abort(new Error('no longer wanted'));
      await expect(pool.create(disk('g1-data'), abort.signal)).rejects.toThrow('no longer wanted');
      expect(await pool.list()).toEqual([]);
    });
  });
}
