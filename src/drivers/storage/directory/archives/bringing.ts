/**
 * Brings what a volume is made of from the archives of one host's pool to another's, file by file as it lies there. The receiver goes by the manifests
 * that come, and by what is in them: it believes neither names nor sums that it has not checked.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../../base/outcome.ts';
import type {
  ArchivedVolume,
  ArchivePart,
  ArchiveReceiving,
  ArchiveSending,
  Follower,
} from '../../contract.ts';
import { createPace, type Pace, pumpIn, pumpOut } from '../../copying/pump.ts';
import { createWire, type Wire } from '../../copying/wire.ts';
import { archiveBroken, archiveMissing, manifestName, parseManifest, partNamed } from '../../manifest.ts';
import { checkedName } from '../../names.ts';
import type { Capacity } from '../capacity.ts';
import type { PoolRoom } from '../room.ts';
import { type ArchiveReader, createArchiveReader } from './reading.ts';

/** One volume in an archive, and the connection to the other host. */
type Brought = { name: string; volume: string; stream: Duplex };

/** More than the manifest of a guest ever has. */
const longestManifest = 16 * 1024 * 1024;
const pieceBytes = 1024 * 1024;

/** Resolves when the other host has all of it, and each part is what it was. Changes nothing here. */
export async function sendArchived(
  room: PoolRoom,
  reader: Pick<ArchiveReader, 'chain'>,
  { name, volume, stream }: Brought,
  { signal, bytesPerSecond }: ArchiveSending,
): Promise<void> {
  const { clock } = room.world;
  const wire = createWire(stream, signal, clock);
  const pace = createPace(clock, bytesPerSecond, signal);
  try {
    const chain = await reader.chain(name, volume);
    await wire.tell({ version: 1, bytes: chain.reduce((sum, { part }) => sum + part.storedBytes, 0) });
    await wire.hear();
    const kept = wire.hear();
    // Told where it is waited for.
    kept.catch(() => undefined);
    for (const { archive, part } of chain) {
      const directory = `${room.layout.archives}/${checkedName(archive)}`;
      await sendText(room, wire, archive, `${directory}/${manifestName}`);
      await sendFile(room, `${directory}/${part.file}`, { wire, pace, signal, kept });
    }
    await kept;
  } catch (error) {
    await wire.refuse(error);
    throw error;
  }
}

async function sendText({ world }: PoolRoom, wire: Wire, archive: string, path: string): Promise<void> {
  const bytes = await world.files.readBytes(path);
  if (bytes === undefined) throw archiveMissing(archive);
  for (let sent = 0; sent < bytes.length; sent += pieceBytes)
    await wire.send(bytes.subarray(sent, sent + pieceBytes));
  await wire.end();
}

type Way = { wire: Wire; pace: Pace; signal: AbortSignal; kept: Promise<unknown> };

async function sendFile({ tools }: PoolRoom, path: string, { wire, pace, signal, kept }: Way): Promise<void> {
  await tools.pipe(['cat', '--', path], { signal }, async (program) => {
    program.input.end();
    // Heard at once when the other host can take no more.
    await Promise.race([pumpOut(program.output, wire, pace), kept]);
  });
  await wire.end();
}

/** `keyFile`: that of this host. */
type Receiver = { room: PoolRoom; capacity: Capacity; keyFile: string | undefined };

/** What comes lies where nobody looks for archives, and where the next opening of the pool removes it. */
export async function receiveArchived(
  { room, capacity, keyFile }: Receiver,
  { name, volume, stream }: Brought,
  { signal, key, follow }: ArchiveReceiving,
): Promise<ArchivedVolume> {
  const { files, clock } = room.world;
  const at = room.partialPath(checkedName(name));
  const wire = createWire(stream, signal, clock);
  const ageKey = {
    ...(key === undefined ? {} : { told: key }),
    ...(keyFile === undefined ? {} : { file: keyFile }),
  };
  try {
    await room.checkPresent();
    await files.makeDirectory(at, { mode: 0o700, fleeting: true });
    try {
      const bytes = bytesOffered(await wire.hear());
      await capacity.reserve({ bytes, place: at }, async () => {
        await wire.tell({ answer: 'Send' });
        await receiveChain({ room, wire, signal, at }, { name, volume }, { bytes, follow });
      });
      await wire.tell({ kept: true });
    } catch (error) {
      await wire.refuse(error);
      throw error;
    }
    const opened = await createArchiveReader(room, capacity, { ageKey, at }).open(name, volume, signal);
    const dispose = async () => {
      await opened.dispose?.();
      await files.removeTree(at);
    };
    return { ...opened, dispose };
  } catch (error) {
    await files.removeTree(at);
    throw error;
  }
}

type Arriving = { room: PoolRoom; wire: Wire; signal: AbortSignal; at: string };

/** The part, and what it says that it is based on, until one is whole by itself. */
async function receiveChain(
  arriving: Arriving,
  { name, volume }: Omit<Brought, 'stream'>,
  { bytes, follow }: { bytes: number; follow: Follower | undefined },
): Promise<void> {
  const come = new Set<string>();
  let doneBytes = 0;
  const count = (more: number) => {
    doneBytes += more;
    if (doneBytes > bytes) throw notAsSaid(name);
    follow?.({ doneBytes, totalBytes: bytes });
  };
  for (let archive: string | undefined = name; archive !== undefined; ) {
    if (come.has(archive)) throw archiveBroken(name, 'it is based on itself');
    come.add(archive);
    archive = (await receivePart(arriving, { archive, volume }, count)).base;
  }
}

async function receivePart(
  { room, wire, signal, at }: Arriving,
  { archive, volume }: { archive: string; volume: string },
  count: (bytes: number) => void,
): Promise<ArchivePart> {
  const { files } = room.world;
  const directory = `${at}/${checkedName(archive)}`;
  await files.makeDirectory(directory, { mode: 0o700, fleeting: true });
  const text = await receiveText(wire, archive);
  const part = partNamed(archive, parseManifest(archive, text), volume);
  await files.writeAtomic(`${directory}/${manifestName}`, text, { mode: 0o600, fleeting: true });
  const hash = createHash('sha256');
  const argv = ['dd', `of=${directory}/${part.file}`, 'bs=1M', 'iflag=fullblock', 'status=none'];
  await room.tools.pipe(argv, { signal }, (program) => {
    program.output.resume();
    return pumpIn(wire, program.input, signal, (data) => {
      hash.update(data);
      count(data.length);
    });
  });
  if (hash.digest('hex') === part.sha256) return part;
  throw archiveBroken(archive, `the sum of the part ${part.file} is another than when it was written`);
}

async function receiveText(wire: Wire, archive: string): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const frame = await wire.next();
    if (frame.type === 'End') return Buffer.concat(pieces).toString('utf8');
    if (frame.type !== 'Data') continue;
    bytes += frame.data.length;
    if (bytes > longestManifest) throw notAsSaid(archive);
    pieces.push(frame.data);
  }
}

function bytesOffered(message: unknown): number {
  const { version, bytes } = message as { version?: unknown; bytes?: unknown };
  if (version === 1 && typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0) return bytes;
  throw new ReasonedError(
    'PeerNotUnderstood',
    'the other host offers an archive in a way this one does not understand; let both run the same version',
  );
}

function notAsSaid(name: string): ReasonedError {
  return archiveBroken(name, 'more of it comes from the other host than that said');
}
