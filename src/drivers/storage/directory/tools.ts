/** Runs the programs of a directory pool: a failure becomes a ReasonedError, and a full disk always the same one. */
import { ReasonedError } from '../../../base/outcome.ts';
import {
  type Admission,
  explainFailure,
  type PipedProcess,
  type RunOptions,
  type RunResult,
} from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import { poolFull } from '../refusals.ts';

const longTimeoutMs = 3_600_000;
/** For what goes over a whole volume, perhaps slowed down on purpose: there is a signal to end it. */
export const wholeVolumeMs = 7 * 24 * 3_600_000;
/** How long a program has to say why its pipe broke. */
const graceMs = 2_000;

export type Tools = {
  /** Runs to success. Throws ReasonedError PoolFull, ToolMissing or StorageFailed, and the signal's reason when aborted. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Runs to success while `talk` reads what it says and tells it things; it is dead when this settles. Throws as `run` does. */
  pipe(
    argv: readonly string[],
    options: { signal: AbortSignal; harmless?: readonly number[] },
    talk: (program: Omit<PipedProcess, 'ended'>) => Promise<void>,
  ): Promise<void>;
};

/** The same, having the disk when nobody else wants it: ionice(1), class idle, where the disk's scheduler knows classes. */
export function idleTools({ run, pipe }: Tools): Tools {
  const idle = (argv: readonly string[]) => ['ionice', '--class', '3', '--ignore', '--', ...argv];
  return {
    run: (argv, options) => run(idle(argv), options),
    pipe: (argv, options, talk) => pipe(idle(argv), options, talk),
  };
}

/** The tools of the pool named `pool`; each program is admitted first. */
export function createTools(
  world: Pick<World, 'processes' | 'clock'>,
  pool: string,
  admission: Admission = async () => ({ prefix: [], ended: () => {} }),
): Tools {
  const failure = (argv: readonly string[], result: RunResult): ReasonedError => {
    if (/No space left on device|Disk quota exceeded/.test(result.stderr)) return poolFull(pool, 1);
    if (result.code !== 127) return new ReasonedError('StorageFailed', explainFailure(argv, result));
    const message = `${explainFailure(argv, result)}; install the package that has it (qemu-img: qemu-utils)`;
    return new ReasonedError('ToolMissing', message, { stalled: true });
  };
  const run: Tools['run'] = async (argv, options = {}) => {
    options.signal?.throwIfAborted();
    const { prefix, ended } = await admission();
    const result = await world.processes
      .run([...prefix, ...argv], { timeoutMs: longTimeoutMs, ...options })
      .finally(ended);
    options.signal?.throwIfAborted();
    if (result.code === 0 && !result.timedOut) return result;
    throw failure(argv, result);
  };
  return {
    run,
    pipe: async (argv, { signal, harmless = [] }, talk) => {
      signal.throwIfAborted();
      const { prefix, ended } = await admission();
      const end = new AbortController();
      const either = AbortSignal.any([signal, end.signal]);
      const program = world.processes.pipe([...prefix, ...argv], { signal: either });
      void program.ended.then(ended);
      const success = program.ended.then(({ code, stderr }) => {
        const isFull = code !== 0 && /No space left on device|Disk quota exceeded/.test(stderr);
        if (isFull || (code !== 0 && !harmless.includes(code)))
          throw failure(argv, { code, stderr, stdout: '', timedOut: false });
      });
      try {
        // A program that fails says why; without it the talk would only break off, or go on for nothing.
        await Promise.all([success, talk(program)]);
      } catch (error) {
        // A pipe that broke says less than the program at its end.
        if (!(error instanceof ReasonedError))
          await Promise.race([success, world.clock.sleep(graceMs, signal)]);
        throw error;
      } finally {
        end.abort();
        await program.ended;
        signal.throwIfAborted();
      }
    },
  };
}
