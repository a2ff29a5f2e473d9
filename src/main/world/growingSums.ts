/**
 * Sums of files that grow, each taken by a thread of its own beside whoever writes: gigabytes are not read on the thread that looks after guests,
 * and a program that can do so (openssl, sha256sum) ends where the file ends by then.
 */
import { Worker } from 'node:worker_threads';
import type { FileSum, SumGrowing } from '../../base/sums.ts';

/** A thread costs 50 ms of a processor to begin: one that has nothing to do waits so long for the next file. */
const SPARE_MS = 60_000;

type Thread = {
  /** Begins to take the sum; resolves with it after `tell`. One at a time. */
  follow(path: string): Promise<FileSum>;
  tell(): void;
  end(): void;
};

/** `script`: what the threads run (`summer.ts`, built). */
export function growingSums(script: string): SumGrowing {
  let spare: { thread: Thread; timer: NodeJS.Timeout } | undefined;
  const take = (): Thread => {
    const { thread = startThread(script), timer } = spare ?? {};
    clearTimeout(timer);
    spare = undefined;
    return thread;
  };
  const giveBack = (thread: Thread) => {
    if (spare !== undefined) return thread.end();
    const end = () => take().end();
    spare = { thread, timer: setTimeout(end, SPARE_MS).unref() };
  };
  return (path) => {
    const thread = take();
    let isOver = false;
    const told = thread.follow(path).finally(() => {
      isOver = true;
    });
    // It may fail long before anybody asks.
    told.then(
      () => giveBack(thread),
      () => thread.end(),
    );
    return {
      end: () => {
        thread.tell();
        return told;
      },
      drop: () => {
        if (!isOver) thread.end();
      },
    };
  };
}

function startThread(script: string): Thread {
  const worker = new Worker(script);
  worker.unref();
  let failed: Error | undefined;
  let fail = (_: Error): void => {};
  let succeed = (_: FileSum): void => {};
  const die = (error: Error) => {
    failed ??= error;
    fail(failed);
  };
  worker.on('message', (sum: FileSum) => succeed(sum));
  worker.on('error', die);
  worker.on('exit', () => die(new Error('the sum was given up')));
  return {
    follow: (path) =>
      new Promise((resolve, reject) => {
        succeed = resolve;
        fail = reject;
        if (failed !== undefined) reject(failed);
        worker.postMessage(path);
      }),
    tell: () => worker.postMessage(undefined),
    end: () => void worker.terminate(),
  };
}
