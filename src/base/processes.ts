/** Processes as a port. Commands are argv arrays, never shell strings. */
import type { Readable, Writable } from 'node:stream';

/** Where programs are looked for: an agent started by a plain user or by cron has no sbin in its own PATH. */
export const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export type RunOptions = {
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array;
  /** Added to a minimal environment (PATH, LANG=C.UTF-8). */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Killed with SIGKILL after this; default 60 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
};

export type RunResult = { code: number; stdout: string; stderr: string; timedOut: boolean };

/**
 * A process beyond doubt: a pid alone is re-used by the kernel.
 * `startTicks` is field 22 of /proc/PID/stat (proc(5)), `bootId` /proc/sys/kernel/random/boot_id.
 */
export type ProcessIdentity = { pid: number; startTicks: number; bootId: string };

/** A process that talks through its standard input and output. */
export type PipedProcess = {
  /** Its standard input; one that it no longer reads breaks without a sound, its end says why. */
  input: Writable;
  /** Its standard output. */
  output: Readable;
  /** Resolves when it and all processes it began have let go of their output; never rejects. */
  ended: Promise<{ code: number; stderr: string }>;
};

/**
 * Asked before a program is started: how its command line begins, and what is to be called when it has ended, or was not started after all. What
 * it throws is why the program is not started.
 */
export type Admission = () => Promise<{ prefix: readonly string[]; ended(): void }>;

export type Processes = {
  /** Runs to the end; a program that cannot be started gives code 127 with the reason in stderr. Never throws for an exit code. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /**
   * Starts a process to talk to. It and all it began are killed with SIGKILL when the signal is aborted. A program that cannot be started
   * ends with code 127 and the reason in stderr.
   */
  pipe(
    argv: readonly string[],
    options: { signal: AbortSignal; env?: Readonly<Record<string, string>> },
  ): PipedProcess;
  /** Starts a process that outlives us (own session, output appended to `outputPath`); resolves once it is spawned. */
  spawnDetached(
    argv: readonly string[],
    options: { outputPath: string; env?: Readonly<Record<string, string>>; cwd?: string },
  ): Promise<{ identity: ProcessIdentity; exited: Promise<number> }>;
  /** The identity of a live process; undefined when there is none or it is a zombie (state Z or X). */
  identify(pid: number): Promise<ProcessIdentity | undefined>;
  /** True when this very process lives. */
  isAlive(identity: ProcessIdentity): Promise<boolean>;
  /** Re-reads the identity, then signals; false when this process is gone. */
  signal(
    identity: ProcessIdentity,
    name: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGHUP',
  ): Promise<boolean>;
  /** The full path of a program in PATH (/sbin and /usr/sbin included), or undefined. */
  which(program: string): Promise<string | undefined>;
};

/** What a failed command said, shortened for a condition message. */
export function explainFailure(argv: readonly string[], result: RunResult): string {
  const text = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-3).join(' ').slice(0, 400);
  const how = result.timedOut ? 'timed out' : `exited with ${result.code}`;
  return `${argv[0] ?? ''} ${how}${text === '' ? '' : `: ${text}`}`;
}
