/** What an agent and its launcher say to each other over Node's channel between parent and child. */
import type { ProcessIdentity, RunOptions, RunResult } from '../../base/processes.ts';

/** The options of a detached process. */
export type DetachOptions = { outputPath: string; env?: Readonly<Record<string, string>>; cwd?: string };

/** Asked of the launcher; what belongs together has one `id`. */
export type Order =
  | { type: 'run'; id: number; argv: readonly string[]; options: Omit<RunOptions, 'signal'> }
  | { type: 'detach'; id: number; argv: readonly string[]; options: DetachOptions }
  /** The command is to be killed; answered by `aborted`, or by its end if that was first. */
  | { type: 'abort'; id: number };

/** Told by the launcher. */
export type Report =
  | { type: 'ready' }
  /** The command of a `run` runs. */
  | { type: 'started'; id: number; identity: ProcessIdentity }
  | { type: 'ended'; id: number; result: RunResult }
  | { type: 'aborted'; id: number }
  | { type: 'detached'; id: number; identity: ProcessIdentity }
  /** The end of a detached process. */
  | { type: 'exited'; id: number; code: number }
  /** It could not be started; `code` is that of the system's error, as ENOENT. */
  | { type: 'failed'; id: number; message: string; code: string | undefined };
