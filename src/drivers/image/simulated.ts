/** Makes simulated images: a small file that says what it was made from. For hosts that exist only on paper. */
import { join } from 'node:path';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import type { ImageBuilder } from './contract.ts';

export type SimulatedImageOptions = {
  world: Pick<World, 'files' | 'clock'>;
  /** How long one image takes; 0 when absent. */
  latencyMs?: number;
  /** Recipes or paths that cannot be made, with the reason. */
  faults?: Readonly<Record<string, string>>;
};

export function createSimulatedImageBuilder({ world, latencyMs = 0, faults = {} }: SimulatedImageOptions): ImageBuilder {
  return {
    missing: async () => [],
    build: async (source, { directory, kind, signal, progress }) => {
      const what = source.type === 'Path' ? source.path : source.type;
      const fault = faults[what];
      if (fault !== undefined) throw new ReasonedError(fault, `simulated: ${what} cannot be made`, { stalled: true });
      progress('pretending');
      if (latencyMs > 0) await world.clock.sleep(latencyMs, signal);
      const file = join(directory, kind === 'Disk' ? 'image.raw' : 'image.tar');
      await world.files.writeAtomic(file, `simulated image made from ${JSON.stringify(source)}\n`);
      return { file, kind };
    },
  };
}
