/** Archives in `archives/NAME` of a pool, each filled in a hidden place and moved to its own by one rename when it is whole and flushed. */
import { timestamp } from '../../../../base/clock.ts';
import type { SumGrowing } from '../../../../base/sums.ts';
import type {
  AgeKey,
  ArchiveManifest,
  ArchivePart,
  ArchiveSource,
  Archives,
  Compression,
  Follower,
  VolumeAttachment,
} from '../../contract.ts';
import {
  archiveNeeded,
  baseMissing,
  formatManifest,
  manifestName,
  needing,
  needsOf,
  partNamed,
  wholeBases,
} from '../../manifest.ts';
import { checkedName } from '../../names.ts';
import type { Capacity } from '../capacity.ts';
import { virtualSize } from '../disks.ts';
import { beginFlushing } from '../flushing.ts';
import type { PoolRoom } from '../room.ts';
import { copyBeside, doubtSince } from '../rsync.ts';
import { idleTools } from '../tools.ts';
import { measureBeside } from '../trees.ts';
import { receiveArchived, sendArchived } from './bringing.ts';
import { saveDisk, saveTree, type Tree, treeFormat } from './parts.ts';
import { appendPass, firstPass, type PassFiles, secondPass } from './passes.ts';
import { createArchiveReader } from './reading.ts';
import { recipientOf, seal, sealedSuffix } from './seal.ts';
import { createPartSums } from './sums.ts';

/** Directories beside the parts while an archive is filled: they are removed before it is shown. */
const gathered = 'gathered';
const lists = 'lists';
/** What is needed is not removed meanwhile: no volume has this name. */
const shelf = '/archives';

type Filled = Omit<ArchivePart, 'storedBytes' | 'sha256' | 'baseSha256'>;

/** The archives of one pool, encrypted with the key `ageKey` where that is asked for, those that only grow summed by `sumGrowing` meanwhile. What is half-made is remembered by this program only: after a restart it is begun anew. */
export function createArchives(
  room: PoolRoom,
  capacity: Capacity,
  { ageKey, sumGrowing }: { ageKey?: AgeKey; sumGrowing?: SumGrowing } = {},
): Archives {
  const { tools, layout } = room;
  const { files, clock } = room.world;
  const reader = createArchiveReader(room, capacity, { ageKey });
  const filled = new Map<string, Filled[]>();
  /** What those that are being filled may need. */
  const awaited = new Map<string, readonly string[]>();
  const gatheredAt = new Map<string, number>();
  /** Trees of which two passes are whole, by where their lists are. */
  const packed = new Set<string>();
  const recipients = new Map<string, string>();
  const idle = new Set<string>();
  /** The room with the tools for what is done while the guest goes on. */
  const roomFor = (name: string): PoolRoom => (idle.has(name) ? { ...room, tools: idleTools(tools) } : room);
  /** By the paths of parts: what ends their flushing. */
  const flushed = new Map<string, () => Promise<void>>();
  const sums = createPartSums(files, sumGrowing);
  const place = (name: string) => `${layout.archives}/${checkedName(name)}`;
  const hidden = (name: string) => `${layout.partial}/${checkedName(name)}`;
  const add = (name: string, part: Filled) => {
    const others = (filled.get(name) ?? []).filter((known) => known.name !== part.name);
    filled.set(name, [...others, part]);
    const path = `${hidden(name)}/${part.file}`;
    if (!flushed.has(path)) flushed.set(path, beginFlushing(room.world, path));
    return path;
  };
  const endFlushing = async (name: string) => {
    const ends = [...flushed].filter(([path]) => path.startsWith(`${hidden(name)}/`));
    for (const [path] of ends) flushed.delete(path);
    await Promise.all(ends.map(([, end]) => end()));
  };
  /** A tree is about to be written to a part from its beginning. The sum of one that will be encrypted is taken then. */
  const beginTree = async (name: string, path: string) => {
    if (recipients.has(name)) return;
    // What goes cannot be flushed.
    await flushed.get(path)?.();
    await sums.begin(path);
    flushed.set(path, beginFlushing(room.world, path));
  };
  /** The part of a tree, as large as it was when it was measured last, and the files beside it that its passes need. */
  const addTree = async (
    name: string,
    volume: string,
    compression: Compression,
    measured?: number,
  ): Promise<PassFiles> => {
    const format = treeFormat(compression);
    const unpackedBytes = measured ?? filled.get(name)?.find((known) => known.name === volume)?.unpackedBytes;
    const said = unpackedBytes === undefined ? {} : { unpackedBytes };
    const part: Filled = {
      ...{ name: volume, kind: 'Filesystem', file: `${volume}.${format}`, format, sizeBytes: 0 },
      ...said,
    };
    await files.makeDirectory(`${hidden(name)}/${lists}`, { mode: 0o700, fleeting: true });
    return { file: add(name, part), lists: `${hidden(name)}/${lists}/${volume}` };
  };
  const forget = (name: string) => {
    endFlushing(name).catch(() => undefined);
    sums.forget(hidden(name));
    filled.delete(name);
    awaited.delete(name);
    recipients.delete(name);
    idle.delete(name);
    for (const path of [...gatheredAt.keys(), ...packed])
      if (path.startsWith(`${hidden(name)}/`)) {
        gatheredAt.delete(path);
        packed.delete(path);
      }
  };
  return {
    filling: {
      begin: async (name, { encryption, bases = [], ioPriority } = {}) => {
        await room.checkPresent();
        const recipient = encryption === undefined ? undefined : await recipientOf(tools, ageKey);
        await room.removeTree(hidden(name));
        forget(name);
        if (recipient !== undefined) recipients.set(name, recipient);
        if (ioPriority === 'Idle') idle.add(name);
        await files.makeDirectory(hidden(name), { mode: 0o700, fleeting: true });
        awaited.set(name, bases);
        return room.lock(shelf, async () => {
          const found = await wholeBases(bases, reader.read);
          return found.filter(({ manifest }) => manifest.encryption?.recipient === recipient);
        });
      },
      target: async (name, { name: disk, sizeBytes, compression, holdsAll }) => {
        const file = `${checkedName(disk)}.qcow2`;
        const path = add(name, { name: disk, kind: 'Disk', file, format: 'qcow2', sizeBytes });
        await room.makeBlankDisk({ path, format: 'qcow2', sizeBytes, compression, holdsAll });
        return path;
      },
      holds: (name, disk, what) => {
        const part = filled.get(name)?.find((known) => known.name === disk);
        if (part !== undefined) add(name, { ...part, ...what });
      },
      pack: async (name, { name: volume, attachment, bytesPerSecond, follow }, compression, signal) => {
        const tree = treeOf(attachment);
        const to = await addTree(name, checkedName(volume), compression);
        await beginTree(name, to.file);
        const measured = measureBeside(tools, tree);
        const pace = { compression, bytesPerSecond, signal };
        const watch = { follow, totalBytes: measured.sofar };
        const [isPacked, bytes] = await Promise.all([
          firstPass(roomFor(name), tree, to, pace, watch),
          measured.bytes,
        ]);
        await addTree(name, volume, compression, bytes);
        return isPacked;
      },
      packRest: async (name, { name: volume, attachment }, compression, signal) => {
        const to = await addTree(name, checkedName(volume), compression);
        const isWhole = await secondPass(tools, treeOf(attachment), to, { compression, signal });
        if (isWhole) packed.add(to.lists);
        return isWhole;
      },
      gather: async (name, { name: volume, attachment, bytesPerSecond, follow }, signal) => {
        const to = `${hidden(name)}/${gathered}/${checkedName(volume)}`;
        // What was packed of it shows another moment.
        packed.delete(`${hidden(name)}/${lists}/${volume}`);
        const since = gatheredAt.get(to);
        gatheredAt.set(to, clock.now());
        await files.makeDirectory(to, { mode: 0o700, fleeting: true });
        if (since !== undefined) await doubtSince(room, to, since);
        await copyBeside(
          room,
          { id: volume, from: attachment.path, to },
          {
            ...{ signal, bytesPerSecond },
            // What is gathered is packed then.
            heard: (percent) => follow?.({ doneBytes: percent, totalBytes: 200 }),
          },
        );
      },
      save: async (name, source, compression, signal) => {
        const volume = checkedName(source.name);
        const { bytesPerSecond } = source;
        const pace = { compression, bytesPerSecond, signal };
        const { attachment, follow } = await gatheredOr(
          room,
          source,
          `${hidden(name)}/${gathered}/${volume}`,
        );
        if (attachment.type === 'File') {
          const sizeBytes = await virtualSize(tools, files, attachment);
          const part: Filled = {
            name: volume,
            kind: 'Disk',
            file: `${volume}.qcow2`,
            format: 'qcow2',
            sizeBytes,
          };
          const watch = { follow, totalBytes: () => sizeBytes };
          await saveDisk(roomFor(name).tools, attachment, add(name, part), pace, watch);
          return;
        }
        const to = await addTree(name, volume, compression);
        if (packed.has(to.lists)) return appendPass(roomFor(name).tools, to, signal);
        await beginTree(name, to.file);
        const measured = measureBeside(tools, attachment);
        const watch = { follow, totalBytes: measured.sofar };
        const [bytes] = await Promise.all([
          measured.bytes,
          saveTree(roomFor(name).tools, attachment, { file: to.file, maps: `${to.lists}.ids` }, pace, watch),
        ]);
        await addTree(name, volume, compression, bytes);
      },
      finish: async (name, about, signal) => {
        await endFlushing(name);
        const removed = Promise.all([
          room.removeTree(`${hidden(name)}/${gathered}`),
          // Plain files of our own, for which no program is needed.
          files.removeTree(`${hidden(name)}/${lists}`),
        ]);
        // Told below, when the sums are there.
        removed.catch(() => undefined);
        const parts: ArchivePart[] = [];
        const recipient = recipients.get(name);
        for (const plain of filled.get(name) ?? []) {
          const part = recipient === undefined ? plain : { ...plain, file: `${plain.file}${sealedSuffix}` };
          const path = `${hidden(name)}/${part.file}`;
          if (recipient !== undefined) {
            await seal(roomFor(name).tools, `${hidden(name)}/${plain.file}`, recipient, signal);
            await files.remove(`${hidden(name)}/${plain.file}`);
          }
          await files.chmod(path, 0o600);
          // One waits for the disk, the other for the processor.
          const [sha256] = await Promise.all([sums.end(roomFor(name).tools, path, signal), files.sync(path)]);
          const storedBytes = (await files.stat(path))?.sizeBytes ?? 0;
          parts.push({ ...part, storedBytes, sha256 });
        }
        await removed;
        return room.lock(shelf, async () => {
          const manifest: ArchiveManifest = {
            ...{ ...about, finishedAt: timestamp(clock), ...(await based(reader, name, parts)) },
            ...(recipient === undefined ? {} : { encryption: { format: 'age', recipient } }),
          };
          await files.writeAtomic(`${hidden(name)}/${manifestName}`, formatManifest(manifest), {
            mode: 0o600,
          });
          // An unmounted disk must not take what was written before it went.
          await room.checkPresent();
          signal.throwIfAborted();
          await files.rename(hidden(name), place(name));
          forget(name);
          return manifest;
        });
      },
    },
    list: reader.list,
    read: reader.read,
    open: reader.open,
    send: (name, volume, stream, options) => sendArchived(room, reader, { name, volume, stream }, options),
    receive: (name, volume, stream, options) =>
      receiveArchived({ room, capacity, keyFile: ageKey?.file }, { name, volume, stream }, options),
    verify: reader.verify,
    remove: async (name) => {
      await room.checkPresent();
      forget(name);
      await room.removeTree(hidden(name));
      await room.lock(shelf, async () => {
        if ((await files.stat(place(name))) === undefined) return;
        const by = needing(name, [...(await reader.needs()), ...awaited]);
        if (by.length > 0) throw archiveNeeded(name, by);
        // Out of sight at once: half of an archive must not look like one.
        await files.rename(place(name), hidden(name));
      });
      await room.removeTree(hidden(name));
    },
  };
}

/** The parts with the sums of what they are based on, and what the whole archive needs therefore. Throws ReasonedError ArchiveBaseMissing. */
async function based(
  reader: Pick<Archives, 'read'>,
  name: string,
  parts: readonly ArchivePart[],
): Promise<Pick<ArchiveManifest, 'version' | 'needs' | 'parts'>> {
  const bases = new Map<string, ArchiveManifest>();
  for (const { base } of parts) {
    if (base === undefined || bases.has(base)) continue;
    const manifest = await reader.read(base);
    if (manifest === undefined) throw baseMissing(name, base);
    bases.set(base, manifest);
  }
  if (bases.size === 0) return { version: 1, parts };
  const summed = parts.map((part) => {
    const manifest = part.base === undefined ? undefined : bases.get(part.base);
    if (part.base === undefined || manifest === undefined) return part;
    return { ...part, baseSha256: partNamed(part.base, manifest, part.name).sha256 };
  });
  const needs = needsOf([...bases].map(([base, manifest]) => ({ name: base, manifest })));
  return { version: 2, needs, parts: summed };
}

/** Only trees are packed while they change. */
function treeOf(attachment: VolumeAttachment): Tree {
  if (attachment.type === 'Directory') return attachment;
  throw new Error(`${attachment.path} is no tree`);
}

/** The copy that was gathered has the owners of the tree, so it is read as the tree would be. */
async function gatheredOr(
  { world }: PoolRoom,
  { attachment, follow }: ArchiveSource,
  copy: string,
): Promise<{ attachment: VolumeAttachment; follow: Follower | undefined }> {
  const isThere = attachment.type === 'Directory' && (await world.files.stat(copy)) !== undefined;
  if (!isThere) return { attachment, follow };
  const second: Follower = ({ doneBytes, totalBytes }) =>
    follow?.({ doneBytes: totalBytes + doneBytes, totalBytes: 2 * totalBytes });
  return { attachment: { ...attachment, path: copy }, follow: second };
}
