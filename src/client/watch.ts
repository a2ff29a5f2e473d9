/** One watch connection: lines to events, with a watchdog for silence. */
import type { KindRef, KubeObject } from '../api/meta.ts';
import type { World } from '../base/world.ts';
import { eventOf, linesOf, objectOf } from './answers.ts';
import type { ListOptions, WatchEvent } from './contract.ts';
import { ApiError } from './contract.ts';
import { pathOf, selection } from './paths.ts';
import { chunksOf } from './transport/connection.ts';
import type { Transport } from './transport.ts';

/** A watch silent for this long is given up: servers send bookmarks about every minute. */
const INACTIVITY_MS = 150_000;

/** Between 290 and 590 s: with one constant, all watches of all clients would come back in the same second. */
function watchSeconds(random: World['random']): number {
  return 290 + Math.floor(random.float() * 300);
}

/** Ends the stream with `Inactive` when no byte came for the given time. */
function createWatchdog(clock: World['clock'], silenceMs: number, bark: (why: ApiError) => void) {
  const start = (): (() => void) =>
    clock.after(silenceMs, () =>
      bark(new ApiError(0, 'Inactive', `the watch was silent for ${silenceMs} ms`)),
    );
  let cancel = start();
  return {
    feed: () => {
      cancel();
      cancel = start();
    },
    stop: () => cancel(),
  };
}

/**
 * Watches a kind from `resourceVersion` on; ends when the server ends it or `signal` is aborted. Throws ApiError: Expired
 * (410) when the version is too old, Inactive (0) after silence, Unreachable (0) when the connection breaks.
 */
export async function* watchOver<T extends KubeObject>(
  transport: Transport,
  world: Pick<World, 'clock' | 'random'>,
  kind: KindRef<T>,
  how: ListOptions & { resourceVersion: string; bookmarks?: boolean },
  inactivityMs: number = INACTIVITY_MS,
): AsyncGenerator<WatchEvent<T>> {
  const path = pathOf(kind, how.namespace === undefined ? {} : { namespace: how.namespace }, {
    ...selection(how),
    watch: 'true',
    allowWatchBookmarks: how.bookmarks === true ? 'true' : undefined,
    timeoutSeconds: watchSeconds(world.random),
  });
  const { signal, timeoutMs } = how;
  const stream = await transport
    .stream({ method: 'GET', path, signal, timeoutMs })
    .catch((error: unknown) => {
      if (signal?.aborted === true) return undefined;
      throw error;
    });
  if (stream === undefined) return;
  let silent: ApiError | undefined;
  const watchdog = createWatchdog(world.clock, inactivityMs, (why) => {
    silent = why;
    stream.end(why);
  });
  const fed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of chunksOf(stream)) {
      watchdog.feed();
      yield chunk;
    }
  };
  try {
    if (stream.code !== 200) {
      const chunks: Buffer[] = [];
      for await (const chunk of fed()) chunks.push(chunk);
      objectOf({ code: stream.code, headers: stream.headers, text: Buffer.concat(chunks).toString('utf8') });
    }
    for await (const line of linesOf(fed())) yield eventOf<T>(line);
  } catch (error) {
    if (signal?.aborted === true) return;
    if (silent !== undefined) throw silent;
    if (error instanceof ApiError) throw error;
    throw new ApiError(0, 'Unreachable', `the watch of ${kind.plural} broke: ${String(error)}`);
  } finally {
    watchdog.stop();
    stream.body.destroy();
  }
}
