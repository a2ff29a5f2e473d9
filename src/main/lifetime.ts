/** How long a role runs: until SIGTERM or SIGINT, or, for a supervised child, until its parent is gone. */
import { setMaxListeners } from 'node:events';
import process from 'node:process';

export type Lifetime = {
  signal: AbortSignal;
  /** Ends it from inside, for a role that has lost its right to run (leadership). */
  end(reason: string): void;
};

export function processLifetime(options: { supervised: boolean }): Lifetime {
  const controller = new AbortController();
  // Everything in the process hears it: many listeners are no leak.
  setMaxListeners(0, controller.signal);
  const end = (reason: string) => controller.abort(new Error(reason));
  process.on('SIGTERM', () => end('SIGTERM'));
  // Ctrl-C reaches a whole foreground process group; a supervised child waits for its parent's word.
  process.on('SIGINT', () => (options.supervised ? undefined : end('SIGINT')));
  if (options.supervised) {
    process.stdin.on('end', () => end('the parent process has ended'));
    process.stdin.on('error', () => end('the parent process has ended'));
    process.stdin.resume();
  }
  return { signal: controller.signal, end };
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
