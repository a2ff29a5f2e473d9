/** What all parts of the driver work with: the world, where things lie, who answers. */
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type { Monitors } from './monitors.ts';

/** `count` ports from `first` on. */
export type PortRange = { readonly first: number; readonly count: number };

export type QemuContext = {
  world: World;
  cgroups: Cgroups;
  /** Absolute; belongs to this agent alone. */
  runDirectory: string;
  /** Where machines from other hosts are received. */
  transferPorts: PortRange;
  monitors: Monitors;
};
