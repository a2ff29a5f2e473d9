/** The thread that takes the sum of one file while others write on at its end; `world/growingSums.ts` says why there is one. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/** A file at rest is looked at less and less often: it may be one that nobody comes back for. */
const POLL_MS = { least: 5, most: 640 };

const path = String(workerData);
const chunk = Buffer.allocUnsafe(2 ** 20);
const hash = createHash('sha256');
let file: number | undefined;
let bytes = 0;

function opened(): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    // Whoever writes it has not begun.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** To the end that the file has by now. True: there was something. */
function readOn(): boolean {
  file ??= opened();
  const before = bytes;
  for (let count = -1; file !== undefined && count !== 0; bytes += count) {
    count = readSync(file, chunk, 0, chunk.length, bytes);
    hash.update(chunk.subarray(0, count));
  }
  return bytes > before;
}

let timer: NodeJS.Timeout;
function follow(waitMs: number): void {
  timer = setTimeout(() => follow(readOn() ? POLL_MS.least : Math.min(2 * waitMs, POLL_MS.most)), waitMs);
}

follow(POLL_MS.least);
parentPort?.once('message', () => {
  clearTimeout(timer);
  readOn();
  if (file !== undefined) closeSync(file);
  parentPort?.postMessage({ sha256: hash.digest('hex'), bytes });
});
