/** Runs one command to its end with a deadline, collecting what it says. */

import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import type { RunOptions, RunResult } from '../../base/processes.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * A daemon that the command left behind may hold its pipes open for ever; what it says is not the command's answer.
 * Waited for twice: between two timers the event loop reads what a busy moment had left in the pipes.
 */
const PIPE_GRACE_MS = 25;

/** A shell's code: the exit code, or 128 + the signal's number. */
export function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

function collect(child: ChildProcess): { stdout: Buffer[]; stderr: Buffer[] } {
  const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout?.on('data', (chunk: Buffer) => said.stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => said.stderr.push(chunk));
  return said;
}

function feed(child: ChildProcess, input: string | Uint8Array | undefined): void {
  // A command that ends without reading its input closes the pipe: its exit code tells the story, not EPIPE.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
}

/**
 * Resolves when the command has ended; rejects only with the reason of an aborted signal (the command is dead then). `started` hears the pid
 * once there is one.
 */
export function runCommand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  options: RunOptions,
  clock: Clock,
  started: (pid: number) => void = () => {},
): Promise<RunResult> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      env: { ...environment, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    if (child.pid !== undefined) started(child.pid);
    const said = collect(child);
    let timedOut = false;
    let releasePipes = (): void => {};

    const kill = (): void => void child.kill('SIGKILL');
    const cancelTimeout = clock.after(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => {
      timedOut = true;
      kill();
    });
    signal?.addEventListener('abort', kill, { once: true });

    const finish = (code: number, problem: string): void => {
      cancelTimeout();
      releasePipes();
      signal?.removeEventListener('abort', kill);
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const stdout = Buffer.concat(said.stdout).toString('utf8');
      const stderr = Buffer.concat(said.stderr).toString('utf8');
      resolve({ code, stdout, stderr: stderr + problem, timedOut });
    };

    child.once('error', (error) => {
      if (child.pid === undefined) finish(127, error.message);
    });
    child.once('exit', () => {
      releasePipes = clock.after(PIPE_GRACE_MS, () => {
        releasePipes = clock.after(PIPE_GRACE_MS, () => {
          child.stdout?.destroy();
          child.stderr?.destroy();
        });
      });
    });
    child.once('close', (code, how) => {
      if (child.pid !== undefined) finish(exitCode(code, how), '');
    });
    feed(child, options.input);
  });
}
