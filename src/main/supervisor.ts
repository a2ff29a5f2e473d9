/**
 * Keeps the child roles of `vireo up` running: a child that ends is started again with back-off; a lost parent ends its children in order,
 * because they watch their standard input.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { backoffDelay } from '../base/backoff.ts';
import type { World } from '../base/world.ts';

export type ChildRole = { name: string; args: readonly string[] };

export type SupervisedChild = {
  /** Resolves at the first line starting with `ready`; rejects when the child ends before with an exit code that no retry mends. */
  ready: Promise<string>;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>;
};

/** Exit code of a role that cannot start and would fail the same way again (bad options, directory in use). */
export const CANNOT_START = 78;

const RESTART = { baseMs: 250, maxMs: 15_000 };
/** A child that ran this long starts with a short delay again. */
const SETTLED_MS = 60_000;

export function supervise(role: ChildRole, script: string, world: World): SupervisedChild {
  const { clock, random, log } = world;
  const stopping = new AbortController();
  let child: ChildProcess | undefined;
  let settleReady: { resolve(line: string): void; reject(error: Error): void };
  const ready = new Promise<string>((resolve, reject) => {
    settleReady = { resolve, reject };
  });
  ready.catch(() => {});
  let wasReady = false;

  async function keepRunning(): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      const started = clock.monotonic();
      const code = await runOnce();
      if (stopping.signal.aborted) return;
      // A role that has run before can run again: its port or its directory may be held for a moment only.
      if (code === CANNOT_START && !wasReady) {
        settleReady.reject(new Error(`${role.name} cannot start`));
        return;
      }
      if (clock.monotonic() - started > SETTLED_MS) attempt = 0;
      const delay = backoffDelay(attempt, RESTART, random);
      log.warn('child ended, starting it again', { child: role.name, code, afterMs: Math.round(delay) });
      await clock.sleep(delay, stopping.signal).catch(() => {});
    }
  }

  function runOnce(): Promise<number> {
    return new Promise((resolve) => {
      // Its standard input is a pipe that nobody writes to: it ends when this process does, however that happens.
      child = spawn(process.execPath, [script, ...role.args, '--supervised'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      if (child.stdout !== null) {
        createInterface({ input: child.stdout }).on('line', (line) => {
          if (!line.startsWith('ready')) return;
          wasReady = true;
          settleReady.resolve(line);
        });
      }
      child.on('error', (error) => {
        log.error('child could not be started', { child: role.name, error: error.message });
        resolve(1);
      });
      child.on('exit', (code) => resolve(code ?? 1));
    });
  }

  const running = keepRunning();
  return {
    ready,
    stop: async (graceMs) => {
      stopping.abort();
      child?.kill('SIGTERM');
      const cancel = clock.after(graceMs, () => child?.kill('SIGKILL'));
      await running;
      cancel();
    },
  };
}
