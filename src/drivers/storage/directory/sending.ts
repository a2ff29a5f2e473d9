/** Sends what a volume holds to another host's pool: a disk as a sparse archive with its checksum, a tree by rsync, or either as one stream. Changes nothing here. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { CopyOptions } from '../contract.ts';
import { answered, type Offer } from '../copying/offer.ts';
import { createPace, type Pace, pumpIn, pumpOut } from '../copying/pump.ts';
import { createWire, type Wire } from '../copying/wire.ts';
import { copiedOnce } from '../refusals.ts';
import { diskName, rootfsName } from './layout.ts';
import type { VolumeRecord } from './records.ts';
import type { PoolRoom } from './room.ts';
import { daemonFor, makeSecret, whileItRuns, withWorkplace } from './rsync.ts';
import { streamsOf, withStream } from './streaming.ts';
import { measureTrees } from './trees.ts';

/**
 * One pass; resolves when the other host has it, whole and flushed: only then the guest may live there. A host that has the volume already
 * wants no data: this copy was made before, and its answer got lost. Throws ReasonedError, the other side's reasons included.
 */
export async function sendVolume(
  room: PoolRoom,
  volume: VolumeRecord,
  stream: Duplex,
  { pass, signal, bytesPerSecond }: CopyOptions,
): Promise<void> {
  const wire = createWire(stream, signal, room.world.clock);
  const pace = createPace(room.world.clock, bytesPerSecond, signal);
  try {
    if (volume.format !== 'directory') {
      if (pass === 'First') throw copiedOnce(volume.id);
      await sendDisk(room, volume, { wire, pace, signal });
    } else await sendTree(room, volume, { wire, pace, signal, pass });
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

type Way = { wire: Wire; pace: Pace; signal: AbortSignal };

/** tar finds the holes of a sparse file by itself (SEEK_HOLE, lseek(2)), however large it is. */
async function sendDisk(room: PoolRoom, volume: VolumeRecord, { wire, pace, signal }: Way): Promise<void> {
  const directory = room.layout.volume(volume.id);
  const file = diskName(volume.format === 'raw' ? 'raw' : 'qcow2');
  const stat = await room.world.files.stat(`${directory}/${file}`);
  await wire.tell({ ...offerOf(volume, stat?.usedBytes ?? 0), ...(await streamsOf(room, volume)) });
  const { answer, stream } = answered(await wire.hear());
  const way = { wire, pace, signal };
  if (answer === 'Have') await wire.hear();
  else if (stream === undefined)
    await sendOutput(room, ['tar', '--sparse', '-C', directory, '-cf', '-', file], way);
  else await withStream(room, volume, (argv) => sendOutput(room, argv, way));
}

/** All that the program writes, and its sum; resolves when the other host has kept it. */
async function sendOutput(
  room: PoolRoom,
  argv: readonly string[],
  { wire, pace, signal }: Way,
): Promise<void> {
  const kept = wire.hear();
  const hash = createHash('sha256');
  await room.tools.pipe(argv, { signal }, async (program) => {
    program.input.end();
    // Heard at once when the other host can take no more.
    await Promise.race([pumpOut(program.output, wire, pace, (data) => hash.update(data)), kept]);
  });
  await wire.end();
  await wire.tell({ complete: true, sha256: hash.digest('hex') });
  await kept;
}

async function sendTree(
  room: PoolRoom,
  volume: VolumeRecord,
  { wire, pace, signal, pass }: Way & Pick<CopyOptions, 'pass'>,
): Promise<void> {
  const root = `${room.layout.volume(volume.id)}/${rootfsName}`;
  // The second one is short, and so are the times in doubt: from there on each write gives a file a new time; see doubtSince.
  if (pass === 'First') await room.flush();
  const beganMs = room.world.clock.now();
  if (pass === 'First') await room.flush();
  const usedBytes = await usedBy(room, volume, root, pass);
  await withWorkplace(room, volume.id, async (directory) => {
    const secret = makeSecret(room);
    const argv = await daemonFor(room, directory, root, secret);
    // The last pass sends what has changed, which only a look at each file tells.
    const streams = pass === 'First' ? await streamsOf(room, volume) : {};
    await wire.tell({ ...offerOf(volume, usedBytes), ...streams, beganMs, secret });
    const { answer, stream } = answered(await wire.hear());
    if (stream !== undefined)
      return withStream(room, volume, (program) => sendOutput(room, program, { wire, pace, signal }));
    if (answer === 'Send') {
      // What was missing the client knows and tells by its own end.
      await room.tools.pipe(argv, { signal, harmless: whileItRuns }, async (program) => {
        const out = pumpOut(program.output, wire, pace).then(() => wire.end());
        await Promise.all([out, pumpIn(wire, program.input, signal)]);
      });
      await wire.tell({ complete: true });
    }
    await wire.hear();
  });
}

/** Not in the last pass: the guest is off meanwhile, and a disk that is full is noticed anyway. A tree that changes cannot always be measured. */
async function usedBy(
  { tools }: PoolRoom,
  { initialBytes }: VolumeRecord,
  root: string,
  pass: CopyOptions['pass'],
): Promise<number> {
  if (pass === 'Final') return initialBytes;
  const sizes = await measureTrees(tools, [root]).catch(() => undefined);
  return sizes?.get(root) ?? initialBytes;
}

function offerOf({ kind, format, sizeBytes, shiftedBy }: VolumeRecord, usedBytes: number): Offer {
  return {
    version: 1,
    kind,
    format,
    sizeBytes,
    usedBytes,
    ...(shiftedBy === undefined ? {} : { shiftedBy }),
  };
}
