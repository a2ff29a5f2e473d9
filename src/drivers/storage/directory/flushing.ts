/** Has a file that grows for a long time on the disk while it grows: the flush at its end is short then, and guests' own flushes do not wait for all of it. */
import type { Clock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';

const pauseMs = 500;

type Ports = { files: Pick<Files, 'stat' | 'sync'>; clock: Pick<Clock, 'sleep'> };

/**
 * Flushes the file again and again until the function that is given back is called. That one throws what a flush has failed with: the kernel
 * tells of a write that failed only once (fsync(2)), so the caller's own flush at the end would know nothing of it.
 */
export function beginFlushing({ files, clock }: Ports, path: string): () => Promise<void> {
  const over = new AbortController();
  const rest = async (): Promise<boolean> =>
    clock.sleep(pauseMs, over.signal).then(
      () => !over.signal.aborted,
      () => false,
    );
  const flushed = (async () => {
    while (await rest()) if ((await files.stat(path)) !== undefined) await files.sync(path);
  })();
  flushed.catch(() => undefined);
  return async () => {
    over.abort();
    await flushed;
  };
}

/** Flushes the file for as long as `work` writes it. */
export async function flushWhile<T>(world: Ports, path: string, work: () => Promise<T>): Promise<T> {
  const end = beginFlushing(world, path);
  // What the work fails with says more than what its file does.
  const done = await work().finally(() => end().catch(() => undefined));
  await end();
  return done;
}
