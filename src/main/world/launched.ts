/**
 * Starts programs by a launcher: a child of ours that is small. fork(2) copies the page tables of the process that calls it and stops it
 * meanwhile: 5 to 10 ms of an agent's event loop for each program, against 1 ms in a process that holds nothing. While there is no launcher,
 * because it has not begun or has died, programs are started by this process itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { backoffDelay } from '../../base/backoff.ts';
import {
  type Processes,
  type ProcessIdentity,
  type RunOptions,
  type RunResult,
  SEARCH_PATH,
} from '../../base/processes.ts';
import type { World } from '../../base/world.ts';
import type { DetachOptions, Order, Report } from './orders.ts';
import { environmentOf } from './processes.ts';

/** Programs started by the launcher where there is one. */
export type Launched = {
  processes: Processes;
  /** Begins to keep a launcher running; resolves when the first answers, or cannot be had. */
  start(): Promise<void>;
  /** Ends it; what runs runs on. */
  close(): void;
};

const RESTART = { baseMs: 1_000, maxMs: 60_000 };

/** What a command is said to have come to whose launcher died with it: killed. */
const LOST: RunResult = {
  code: 137,
  stdout: '',
  stderr: 'the process that had started it has died',
  timedOut: false,
};

/** `command`: how the launcher is started. */
export function launchedProcesses(
  world: Pick<World, 'clock' | 'random' | 'log' | 'processes'>,
  command: readonly string[],
): Launched {
  const { clock, random, log, processes } = world;
  const over = new AbortController();
  let line: Line | undefined;

  const runOnce = (ready: () => void): Promise<void> =>
    new Promise((ended) => {
      const child = spawn(command[0] ?? '', command.slice(1), {
        env: environmentOf(SEARCH_PATH),
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        serialization: 'advanced',
      });
      const own = createLine(child, processes);
      const end = (): void => {
        if (line === own) line = undefined;
        own.lost();
        ended();
      };
      child.on('message', (message) => {
        const report = message as Report;
        if (report.type !== 'ready') return own.hear(report);
        line = own;
        ready();
      });
      child.on('error', end);
      child.on('exit', end);
      over.signal.addEventListener('abort', () => child.connected && child.disconnect(), { once: true });
    });

  const keepRunning = async (ready: () => void): Promise<void> => {
    for (let attempt = 0; !over.signal.aborted; attempt += 1) {
      await runOnce(ready);
      ready();
      if (over.signal.aborted) return;
      log.warn('the launcher has ended; programs are started without it until it runs again');
      await clock.sleep(backoffDelay(attempt, RESTART, random), over.signal).catch(() => {});
    }
  };

  return {
    start: () => new Promise((ready) => void keepRunning(ready)),
    close: () => over.abort(new Error('closed')),
    processes: {
      ...processes,
      run: (argv, options = {}) => (line ?? processes).run(argv, options),
      spawnDetached: (argv, options) => (line ?? processes).spawnDetached(argv, options),
    },
  };
}

type Line = {
  run(argv: readonly string[], options: RunOptions): Promise<RunResult>;
  spawnDetached: Processes['spawnDetached'];
  hear(report: Report): void;
  /** Nothing more will be heard: what it was running is ended, as nobody would hear of its end. */
  lost(): void;
};

type Pending = { identity?: ProcessIdentity; hear(report: Report): void; lost(): void };

/** The orders under way at one launcher. */
function createLine(child: ChildProcess, processes: Pick<Processes, 'signal'>): Line {
  const pending = new Map<number, Pending>();
  let last = 0;
  const order = (make: (id: number) => Order, answer: Pending): number => {
    last += 1;
    pending.set(last, answer);
    // One that cannot be told any more has ended, and is about to say so.
    child.send(make(last), () => {});
    return last;
  };

  return {
    hear: (report) => {
      if (report.type === 'ready') return;
      const found = pending.get(report.id);
      if (report.type === 'started') {
        if (found !== undefined) found.identity = report.identity;
        return;
      }
      if (report.type !== 'detached') pending.delete(report.id);
      found?.hear(report);
    },
    lost: () => {
      const left = [...pending.values()];
      pending.clear();
      for (const one of left) one.lost();
    },
    run: (argv, { signal, ...options }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const abort = (): void => void child.send({ type: 'abort', id } satisfies Order, () => {});
        const finish = (result: RunResult): void => {
          signal?.removeEventListener('abort', abort);
          if (signal?.aborted === true) reject(signal.reason);
          else resolve(result);
        };
        const answer: Pending = {
          hear: (report) => finish(report.type === 'ended' ? report.result : LOST),
          lost: () => {
            const { identity } = answer;
            const killed = identity === undefined ? undefined : processes.signal(identity, 'SIGKILL');
            void Promise.resolve(killed).finally(() => finish(LOST));
          },
        };
        const id = order((given) => ({ type: 'run', id: given, argv, options }), answer);
        signal?.addEventListener('abort', abort, { once: true });
      }),
    spawnDetached: (argv, options: DetachOptions) =>
      new Promise((resolve, reject) => {
        let exit = (_code: number): void => {};
        const exited = new Promise<number>((tell) => {
          exit = tell;
        });
        order((id) => ({ type: 'detach', id, argv, options }), {
          hear: (report) => {
            if (report.type === 'detached') resolve({ identity: report.identity, exited });
            else if (report.type === 'exited') exit(report.code);
            else if (report.type === 'failed')
              reject(Object.assign(new Error(report.message), { code: report.code }));
          },
          lost: () => {
            // It may run on: whoever asked finds it by its traces, as after a crash of the agent.
            reject(new Error(LOST.stderr));
            exit(LOST.code);
          },
        });
      }),
  };
}
