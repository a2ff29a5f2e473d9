/**
 * Sends a whole volume as the stream of the ground that both pools lie on, where both have it: one read of its blocks, with what they share and
 * however many files there are. What else is sent of a volume goes file by file.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { Offer } from '../copying/offer.ts';
import type { GroundStream } from './ground.ts';
import { type VolumeRecord, volumeRecordName } from './records.ts';
import type { PoolRoom } from './room.ts';

/** What this pool can send the volume as, beside its files. */
export async function streamsOf(room: PoolRoom, { id }: VolumeRecord): Promise<Pick<Offer, 'streams'>> {
  const { stream } = room.ground;
  const isWhole = stream !== undefined && (await stream.holdsAll(room.layout.volume(id)));
  return isWhole ? { streams: [stream.name] } : {};
}

/** The stream that this pool receives of those that are offered. */
export function streamFor(
  { ground: { stream } }: PoolRoom,
  { streams = [] }: Offer,
): GroundStream | undefined {
  return stream !== undefined && streams.includes(stream.name) ? stream : undefined;
}

/** Runs `deed` with the program that writes the stream of the volume as it is now. */
export async function withStream(
  room: PoolRoom,
  { id }: VolumeRecord,
  deed: (argv: readonly string[]) => Promise<void>,
): Promise<void> {
  const { stream } = room.ground;
  if (stream === undefined) throw new Error(`the pool ${room.name} sends no streams`);
  const view = room.partialPath(id);
  try {
    await stream.freeze(room.layout.volume(id), view);
    await deed(stream.send(view));
  } finally {
    await room.removeTree(view);
  }
}

/** A place beside `made` for a stream to arrive in, and what makes `made` of what has arrived there. */
export async function prepareStream(
  room: PoolRoom,
  stream: GroundStream,
  made: string,
): Promise<{ argv: readonly string[]; take(): Promise<void> }> {
  const { files } = room.world;
  const arriving = `${made}.stream`;
  await room.removeTree(arriving);
  await files.makeDirectory(arriving, { mode: 0o700, fleeting: true });
  return {
    argv: stream.receive(arriving),
    take: async () => {
      const [name, ...more] = await files.list(arriving);
      if (name === undefined || more.length > 0)
        throw new ReasonedError('CopyDamaged', `what arrived for ${made} is not one volume`, {
          stalled: true,
        });
      await room.removeTree(made);
      await stream.take(`${arriving}/${name}`, made);
      await room.removeTree(arriving);
      // The record of the other host; ours follows when all is there.
      await files.remove(`${made}/${volumeRecordName}`);
    },
  };
}
