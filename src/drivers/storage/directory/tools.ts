/** Runs the programs of a directory pool: a failure becomes a ReasonedError, and a full disk always the same one. */
import { ReasonedError } from '../../../base/outcome.ts';
import { explainFailure, type RunOptions, type RunResult } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import { poolFull } from '../refusals.ts';

const longTimeoutMs = 3_600_000;

export type Tools = {
  /** Runs to success. Throws ReasonedError PoolFull, ToolMissing or StorageFailed, and the signal's reason when aborted. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Removes a tree without crossing into mounted file systems: an open guest's files must not go with it. */
  removeTree(path: string): Promise<void>;
};

/** The tools of the pool named `pool`. */
export function createTools(world: World, pool: string): Tools {
  const run: Tools['run'] = async (argv, options = {}) => {
    options.signal?.throwIfAborted();
    const result = await world.processes.run(argv, { timeoutMs: longTimeoutMs, ...options });
    options.signal?.throwIfAborted();
    if (result.code === 0 && !result.timedOut) return result;
    if (/No space left on device|Disk quota exceeded/.test(result.stderr)) throw poolFull(pool, 1);
    if (result.code === 127) {
      const message = `${explainFailure(argv, result)}; install the package that has it (qemu-img: qemu-utils)`;
      throw new ReasonedError('ToolMissing', message, { stalled: true });
    }
    throw new ReasonedError('StorageFailed', explainFailure(argv, result));
  };
  return {
    run,
    removeTree: async (path) => {
      if ((await world.files.stat(path)) !== undefined)
        await run(['rm', '-rf', '--one-file-system', '--', path]);
    },
  };
}
