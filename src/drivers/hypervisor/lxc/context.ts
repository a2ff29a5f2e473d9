/** What all deeds of the driver share: the world, the control groups, the records and who is watched. */
import type { World } from '../../../base/world.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import type { Locks } from './locks.ts';
import type { Records } from './record.ts';
import type { Watchers } from './watch.ts';

export type LxcContext = {
  world: World;
  cgroups: Cgroups;
  /** LXC's `-P`: names the containers' command sockets; equal container names under two paths never meet. */
  lxcPath: string;
  /** The environment of lxc-start; made once. */
  environment(): Promise<{ PATH: string }>;
  records: Records;
  locks: Locks;
  watchers: Watchers;
};

/** Identifies this boot of the host. */
export async function readBootId(world: Pick<World, 'files'>): Promise<string> {
  return ((await world.files.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}
