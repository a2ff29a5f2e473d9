/**
 * A thread that takes the sum of one file after the other, each while others write on at its end; `world/growingSums.ts` says why there is one.
 * It is told the path of a file, and `undefined` when nobody writes to that any more.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/** A file at rest is looked at less and less often: it may be one that nobody comes back for. */
const POLL_MS = { least: 5, most: 640 };

const chunk = Buffer.allocUnsafe(2 ** 20);

function opened(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    // Whoever writes it has not begun.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Begins to follow the file; gives what ends that and tells the sum. */
function follow(path: string) {
  const hash = createHash('sha256');
  let file: number | undefined;
  let bytes = 0;
  /** To the end that the file has by now. True: there was something. */
  const readOn = (): boolean => {
    file ??= opened(path);
    const before = bytes;
    for (let count = -1; file !== undefined && count !== 0; bytes += count) {
      count = readSync(file, chunk, 0, chunk.length, bytes);
      hash.update(chunk.subarray(0, count));
    }
    return bytes > before;
  };
  let timer: NodeJS.Timeout;
  const look = (waitMs: number): void => {
    const again = () => look(readOn() ? POLL_MS.least : Math.min(2 * waitMs, POLL_MS.most));
    timer = setTimeout(again, waitMs);
  };
  look(POLL_MS.least);
  return () => {
    clearTimeout(timer);
    readOn();
    if (file !== undefined) closeSync(file);
    return { sha256: hash.digest('hex'), bytes };
  };
}

let end: (() => { sha256: string; bytes: number }) | undefined;
parentPort?.on('message', (path: string | undefined) => {
  if (path === undefined) parentPort?.postMessage(end?.());
  else end = follow(path);
});
