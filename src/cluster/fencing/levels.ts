/** Which devices cut a host off, in which order. Pure. */
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { isUntrusted } from './trust.ts';

/** Levels as declared, else each device that names the host and can cut its power, by name. */
export function levelsOf(
  { spec }: Stored<Host>,
  named: readonly Stored<FenceDevice>[],
): readonly (readonly string[])[] {
  if (spec.fencing?.levels !== undefined) return spec.fencing.levels.map(({ devices }) => devices);
  return named
    .filter(({ status }) => status?.reach !== 'Fabric')
    .map(({ metadata }) => [metadata.name])
    .sort();
}

/** Without those that have a device that has called a host off which was not. */
export function trustedLevelsOf(
  host: Stored<Host>,
  named: readonly Stored<FenceDevice>[],
): readonly (readonly string[])[] {
  const liars = new Set(named.filter(isUntrusted).map(({ metadata }) => metadata.name));
  return levelsOf(host, named).filter((level) => !level.some((name) => liars.has(name)));
}
