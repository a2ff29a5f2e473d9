/** Runs one tool of a build: its failure becomes a ReasonedError with the tool's last lines. */
import { ReasonedError } from '../../base/outcome.ts';
import { explainFailure, type RunOptions, type RunResult } from '../../base/processes.ts';
import type { World } from '../../base/world.ts';

/** Runs to success; throws ReasonedError BuildFailed otherwise, and the signal's reason when it was aborted. */
export async function runOrFail(
  world: World,
  argv: readonly string[],
  options: RunOptions & { signal: AbortSignal },
): Promise<RunResult> {
  options.signal.throwIfAborted();
  const result = await world.processes.run(argv, options);
  options.signal.throwIfAborted();
  if (result.code !== 0 || result.timedOut)
    throw new ReasonedError('BuildFailed', explainFailure(argv, result));
  return result;
}
