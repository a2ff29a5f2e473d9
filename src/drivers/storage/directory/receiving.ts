/**
 * Receives volumes from other hosts' pools: into a hidden place, checked and flushed there, and shown by one rename when it is all there. What
 * the first pass has brought stays through restarts, until the last pass or the removal of the volume.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import { judgeDisk } from '../../image/inspect.ts';
import type { CopyOptions, VolumeRequest } from '../contract.ts';
import { checkedOffer, type Offer } from '../copying/offer.ts';
import { createPace, pumpIn, pumpOut } from '../copying/pump.ts';
import { createWire, type Wire } from '../copying/wire.ts';
import { ownedByOther } from '../refusals.ts';
import type { Capacity } from './capacity.ts';
import { diskName, rootfsName } from './layout.ts';
import {
  arrivalRecordName,
  readArrivalRecord,
  readVolumeRecord,
  type VolumeRecord,
  volumeRecordName,
  writeRecord,
} from './records.ts';
import type { PoolRoom } from './room.ts';
import { clientFor, doubtSince, whileItRuns, withWorkplace } from './rsync.ts';
import { prepareStream, streamFor } from './streaming.ts';
import { canMapIds, measureTrees, shiftTree } from './trees.ts';

type Way = { wire: Wire; request: VolumeRequest; options: CopyOptions };

/** One pass, under the lock of the volume's id. */
export async function receiveVolume(
  room: PoolRoom,
  capacity: Capacity,
  request: VolumeRequest,
  stream: Duplex,
  options: CopyOptions,
): Promise<void> {
  const wire = createWire(stream, options.signal, room.world.clock);
  const way = { wire, request, options };
  try {
    const offer = checkedOffer(await wire.hear(), request);
    if (await isHere(room, request)) await wire.tell({ answer: 'Have' });
    else if (request.kind === 'Disk') await receiveDisk(room, capacity, way, offer);
    else await receiveTree(room, capacity, way, offer);
    await wire.tell({ kept: true });
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

/** Removes what has arrived of a volume. Throws ReasonedError VolumeOwnedByOther. */
export async function removeArrival(room: PoolRoom, id: string, owner: { guestUuid: string }): Promise<void> {
  const place = room.layout.arrival(id);
  const arrival = await readArrivalRecord(room.world.files, place);
  if (arrival !== undefined && arrival.owner.guestUuid !== owner.guestUuid)
    throw ownedByOther(id, arrival.owner);
  await room.removeTree(place);
}

/** A volume that is shown is never touched again: its guest may have begun to write to it. */
async function isHere(room: PoolRoom, { id, owner }: VolumeRequest): Promise<boolean> {
  const existing = await readVolumeRecord(room.world.files, room.layout.volume(id));
  if (existing === undefined) return false;
  if (existing.owner.guestUuid !== owner.guestUuid) throw ownedByOther(id, existing.owner);
  return true;
}

async function receiveDisk(room: PoolRoom, capacity: Capacity, way: Way, offer: Offer): Promise<void> {
  const { wire, request } = way;
  const { files } = room.world;
  const { id, owner, format } = request;
  await removeArrival(room, id, owner);
  const place = room.layout.arrival(id);
  const made = `${place}/volume`;
  await files.makeDirectory(place, { mode: 0o700 });
  await room.ground.makeVolume(made);
  await writeRecord(files, `${place}/${arrivalRecordName}`, { owner, beganMs: 0 });
  await capacity.reserve({ bytes: offer.usedBytes, place: made }, async () => {
    if (await receivedAsStream(room, way, offer, made)) return;
    await wire.tell({ answer: 'Send' });
    await receiveInput(room, way, ['tar', '-C', made, '--no-same-owner', '-xf', '-']);
  });
  const path = `${made}/${diskName(format)}`;
  await checkDisk(room, made, path, request);
  await files.sync(path);
  const { sizeBytes, usedBytes } = offer;
  await show(room, place, { id, owner, kind: 'Disk', format, sizeBytes, initialBytes: usedBytes });
}

/** What the other host writes to the program, compared with its sum. */
async function receiveInput(
  room: PoolRoom,
  { wire, request: { id }, options }: Way,
  argv: readonly string[],
): Promise<void> {
  const hash = createHash('sha256');
  await room.tools.pipe(argv, options, (program) => {
    program.output.resume();
    return pumpIn(wire, program.input, options.signal, (data) => hash.update(data));
  });
  const { sha256 } = (await wire.hear()) as { sha256?: string };
  if (sha256 !== hash.digest('hex'))
    throw new ReasonedError('CopyDamaged', `the volume ${id} was damaged on its way`);
}

/** False: it is not to be had in one piece. */
async function receivedAsStream(room: PoolRoom, way: Way, offer: Offer, made: string): Promise<boolean> {
  const stream = streamFor(room, offer);
  if (stream === undefined) return false;
  const { argv, take } = await prepareStream(room, stream, made);
  await way.wire.tell({ answer: 'Send', stream: stream.name });
  await receiveInput(room, way, argv);
  await take();
  return true;
}

/** The other host is trusted with its guest's data, not with this host's files: a qcow2 could name them. */
async function checkDisk(
  { tools, world }: PoolRoom,
  made: string,
  path: string,
  { id, format }: VolumeRequest,
): Promise<void> {
  const isAlone = (await world.files.list(made)).join() === diskName(format);
  if (!isAlone || (await world.files.stat(path))?.kind !== 'File')
    throw new ReasonedError('CopyDamaged', `what arrived is not the disk ${id}`, { stalled: true });
  if (format === 'raw') return;
  const { stdout } = await tools.run(['qemu-img', 'info', '--output=json', '-f', format, path]);
  judgeDisk(id, JSON.parse(stdout));
}

async function receiveTree(room: PoolRoom, capacity: Capacity, way: Way, offer: Offer): Promise<void> {
  const { wire, request, options } = way;
  const place = room.layout.arrival(request.id);
  const root = `${place}/volume/${rootfsName}`;
  const isKnown = await preparePlace(room, request, place, offer);
  const missing = isKnown ? await stillMissing(room, root, offer, options.pass) : offer.usedBytes;
  await capacity.reserve({ bytes: missing }, async () => {
    // What has arrived before is not sent anew.
    if (!isKnown && (await receivedAsStream(room, way, offer, `${place}/volume`))) return;
    await wire.tell({ answer: 'Send' });
    await copyTree(room, way, root, offer.secret ?? '');
    await wire.hear();
  });
  // Also after the first pass: then there is little left to flush while the guest is off.
  await room.flush();
  if (options.pass === 'First') return;
  const shiftedBy = await shiftIds(room, way, place, offer);
  const { id, owner } = request;
  const record: VolumeRecord = {
    ...{ id, owner, kind: 'Filesystem', format: 'directory', sizeBytes: 0, initialBytes: offer.usedBytes },
    ...(shiftedBy === undefined ? {} : { shiftedBy }),
  };
  await show(room, place, record);
}

/** True when an earlier pass has left something to go on with. */
async function preparePlace(
  room: PoolRoom,
  { id, owner }: VolumeRequest,
  place: string,
  { beganMs = 0 }: Offer,
): Promise<boolean> {
  const { files } = room.world;
  const root = `${place}/volume/${rootfsName}`;
  const arrival = await readArrivalRecord(files, place);
  const isKnown =
    arrival?.owner.guestUuid === owner.guestUuid &&
    arrival.shifting !== true &&
    (await files.stat(root)) !== undefined;
  if (isKnown) await doubtSince(room, root, arrival.beganMs);
  else {
    await removeArrival(room, id, owner);
    await files.makeDirectory(place, { mode: 0o700 });
    await room.ground.makeVolume(`${place}/volume`);
    await files.makeDirectory(root, { mode: 0o700 });
  }
  await writeRecord(files, `${place}/${arrivalRecordName}`, { owner, beganMs });
  return isKnown;
}

async function stillMissing(
  { tools }: PoolRoom,
  root: string,
  { usedBytes }: Offer,
  pass: CopyOptions['pass'],
): Promise<number> {
  if (pass === 'Final') return 0;
  return Math.max(0, usedBytes - ((await measureTrees(tools, [root])).get(root) ?? 0));
}

async function copyTree(room: PoolRoom, way: Way, root: string, secret: string): Promise<void> {
  const { wire, request, options } = way;
  const { pass, signal } = options;
  await withWorkplace(room, request.id, async (directory) => {
    const listener = await room.world.sockets.listenForOne();
    try {
      const argv = await clientFor(room, directory, { root, port: listener.port, secret });
      const harmless = pass === 'First' ? whileItRuns : [];
      await room.tools.pipe(argv, { signal, harmless }, async (program) => {
        program.output.resume();
        const socket = await Promise.race([listener.call, once(program.output, 'close')]);
        if (Array.isArray(socket)) return;
        try {
          const pace = createPace(room.world.clock, undefined, signal);
          await Promise.all([pumpOut(socket, wire, pace), pumpIn(wire, socket, signal)]);
        } finally {
          socket.destroy();
        }
      });
      // Not before: a copy that failed ends with its reason instead.
      await wire.end();
    } finally {
      listener.close();
    }
  });
}

/** Ids as this host needs them: as they are in the container where they can be mapped, else shifted; says by how much. */
async function shiftIds(
  room: PoolRoom,
  { request, options }: Way,
  place: string,
  { shiftedBy = 0 }: Offer,
): Promise<number | undefined> {
  const { files } = room.world;
  const { idBase, owner } = request;
  const wanted = idBase === undefined || (await canMapIds(files, place)) ? 0 : idBase;
  if (wanted !== shiftedBy) {
    await writeRecord(files, `${place}/${arrivalRecordName}`, { owner, beganMs: 0, shifting: true });
    const root = `${place}/volume/${rootfsName}`;
    // By way of the container's own ids: two ranges may overlap.
    if (shiftedBy !== 0) await shiftTree(room.tools, files, root, -shiftedBy, options.signal);
    if (wanted !== 0) await shiftTree(room.tools, files, root, wanted, options.signal);
    await room.flush();
  }
  return wanted === 0 ? undefined : wanted;
}

/** All is on disk but the record: after the rename the volume is seen, and what is left of the arrival is worth nothing. */
async function show(room: PoolRoom, place: string, volume: VolumeRecord): Promise<void> {
  const { files } = room.world;
  await writeRecord(files, `${place}/volume/${volumeRecordName}`, volume);
  await files.rename(`${place}/volume`, room.layout.volume(volume.id));
  await room.removeTree(place);
}
