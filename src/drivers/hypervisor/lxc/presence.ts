/**
 * What lives of a container, by control group and /proc instead of lxc-info: LXC's own answer comes over an abstract socket that belongs to
 * one network namespace and dies with the monitor, and then says STOPPED of a container that runs. A container whose first process has been
 * exec'ed and is the child of a living monitor is what LXC calls RUNNING.
 */
import type { Files } from '../../../base/files.ts';
import type { Processes, ProcessIdentity } from '../../../base/processes.ts';
import type { Cgroups } from '../../cgroup/contract.ts';
import { payloadGroup } from './paths.ts';
import type { RunRecord } from './record.ts';

export type Presence =
  | { type: 'Nothing' }
  | { type: 'Running'; init: ProcessIdentity; monitor: ProcessIdentity }
  /** Starting, rebooting or stopping under its monitor. */
  | { type: 'Changing' }
  /** The container's processes live, LXC's monitor does not. */
  | { type: 'MonitorLost'; pids: readonly number[] };

type PresenceWorld = { files: Files; processes: Processes };

/** The recorded run, if its two processes still are what was recorded: a few reads of /proc, for every observation. */
export async function recordedPresence(
  world: PresenceWorld,
  cgroups: Cgroups,
  id: string,
  record: RunRecord | undefined,
): Promise<Extract<Presence, { type: 'Running' }> | undefined> {
  const { init, monitor } = record ?? {};
  if (init === undefined || monitor === undefined) return undefined;
  const [initAlive, monitorAlive, group] = await Promise.all([
    world.processes.isAlive(init),
    world.processes.isAlive(monitor),
    world.files.readText(`/proc/${init.pid}/cgroup`),
  ]);
  const ours = group?.includes(`/${cgroups.root}/${payloadGroup(id)}/`) ?? false;
  return initAlive && monitorAlive && ours ? { type: 'Running', init, monitor } : undefined;
}

/** What the control groups hold, recorded or not. */
export async function findPresence(world: PresenceWorld, cgroups: Cgroups, id: string): Promise<Presence> {
  return (await findRunning(world, cgroups, id)) ?? (await findAll(world, cgroups, id));
}

/** A container in order is known by one hierarchy, at a fifth of what looking into all of them costs. */
async function findRunning(
  world: PresenceWorld,
  cgroups: Cgroups,
  id: string,
): Promise<Extract<Presence, { type: 'Running' }> | undefined> {
  const first = await findInit(world.files, await cgroups.glance(payloadGroup(id)));
  if (first === undefined) return undefined;
  const groups = (await world.files.readText(`/proc/${first.parent}/cgroup`)) ?? '';
  const isMonitor = groups.includes(`/${cgroups.root}/${id}/`) && !groups.includes(`/${payloadGroup(id)}/`);
  return isMonitor ? running(world, first) : undefined;
}

async function findAll(world: PresenceWorld, cgroups: Cgroups, id: string): Promise<Presence> {
  const all = await cgroups.members(id);
  if (all.length === 0) return { type: 'Nothing' };
  const payload = await cgroups.members(payloadGroup(id));
  const outside = all.filter((pid) => !payload.includes(pid));
  const first = await findInit(world.files, payload);
  if (first === undefined)
    return outside.length > 0 ? { type: 'Changing' } : { type: 'MonitorLost', pids: payload };
  if (!outside.includes(first.parent)) return { type: 'MonitorLost', pids: payload };
  return (await running(world, first)) ?? { type: 'Changing' };
}

/** Undefined before the first process has been exec'ed, and when one of both has just ended. */
async function running(
  { files, processes }: PresenceWorld,
  first: { pid: number; parent: number },
): Promise<Extract<Presence, { type: 'Running' }> | undefined> {
  if (await isBeforeExec(files, first.pid)) return undefined;
  const [init, monitor] = await Promise.all([
    processes.identify(first.pid),
    processes.identify(first.parent),
  ]);
  return init === undefined || monitor === undefined ? undefined : { type: 'Running', init, monitor };
}

/** The process that is number 1 one pid namespace below ours: containers inside the container lie deeper (proc(5), NSpid). */
async function findInit(
  files: Files,
  pids: readonly number[],
): Promise<{ pid: number; parent: number } | undefined> {
  for (const pid of pids) {
    const status = (await files.readText(`/proc/${pid}/status`)) ?? '';
    if (!/^NSpid:\s+\d+\s+1$/m.test(status)) continue;
    return { pid, parent: Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1] ?? 0) };
  }
  return undefined;
}

/** Until it execs the container's own init, the first process still is LXC setting up. */
async function isBeforeExec(files: Files, pid: number): Promise<boolean> {
  return (await files.readLink(`/proc/${pid}/exe`))?.endsWith('/lxc-start') ?? true;
}
