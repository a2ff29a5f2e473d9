/**
 * Sums of files that grow, each taken by a thread of its own beside whoever writes: gigabytes are not read on the thread that looks after guests,
 * and a program that can do so (openssl, sha256sum) ends where the file ends by then.
 */
import { Worker } from 'node:worker_threads';
import type { FileSum, SumGrowing } from '../../base/sums.ts';

/** `script`: what the threads run (`summer.ts`, built). */
export function growingSums(script: string): SumGrowing {
  return (path) => {
    const thread = new Worker(script, { workerData: path });
    const told = new Promise<FileSum>((resolve, reject) => {
      thread.once('message', (sum: FileSum) => resolve(sum));
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error(`the sum of ${path} was given up`)));
    });
    // It may fail long before anybody asks.
    told.catch(() => undefined);
    thread.unref();
    return {
      end: () => {
        thread.postMessage('end');
        return told;
      },
      drop: () => void thread.terminate(),
    };
  };
}
