/** Which devices cut a host off, in which order. Pure. */
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';

/** Levels as declared, else each device that names the host and can cut its power, by name. */
export function levelsOf(
  { spec }: Stored<Host>,
  named: readonly Stored<FenceDevice>[],
): readonly (readonly string[])[] {
  if (spec.fencing !== undefined) return spec.fencing.levels.map(({ devices }) => devices);
  return named
    .filter(({ status }) => status?.reach !== 'Fabric')
    .map(({ metadata }) => [metadata.name])
    .sort();
}
