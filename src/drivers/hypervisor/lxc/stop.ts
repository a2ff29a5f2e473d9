/** Ending a container: asking it, or killing it until none of its processes is left. */
import { ReasonedError } from '../../../base/outcome.ts';
import { explainFailure } from '../../../base/processes.ts';
import type { GuestHandle } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { observe } from './observe.ts';
import { containerPaths, payloadGroup } from './paths.ts';

/** After its container the monitor takes down network and control groups, which takes some 20 ms. */
const monitorTimeoutMs = 3_000;

/**
 * Sends the container's init its halt signal through the monitor and returns at once. Without --nokill LXC would kill after a minute and
 * say that all went well; whether the guest followed is seen by `observe` only.
 */
export async function shutdown(context: LxcContext, guest: GuestHandle): Promise<void> {
  const seen = await observe(context, guest);
  if (seen.state === 'Off') return;
  if (seen.state === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  const argv = ['lxc-stop', '-n', guest.id, '-P', context.lxcPath, '--nokill', '--nowait'];
  const result = await context.world.processes.run(argv, { timeoutMs: 10_000 });
  if (result.code === 0 || (await observe(context, guest)).state === 'Off') return;
  throw new ReasonedError('ShutdownRefused', explainFailure(argv, result));
}

/** The caller holds the guest's lock. The record says `killed` before the first signal: a kill must never look like a crash. */
export async function kill(context: LxcContext, guest: GuestHandle): Promise<void> {
  const { cgroups, records, world } = context;
  const record = await records.read(guest);
  if (record !== undefined && record.killed !== true) await records.write(guest, { ...record, killed: true });
  // All processes of a pid namespace die with its first one; the rest of the group is for what a lost monitor left.
  if (record?.init !== undefined) await world.processes.signal(record.init, 'SIGKILL');
  await cgroups.killAll(payloadGroup(guest.id));
  const until = world.clock.monotonic() + monitorTimeoutMs;
  // It then leaves its group for the pivot and runs hooks, of which lxcfs brings one that sleeps half a second: not waited for.
  while ((await cgroups.members(`${guest.id}/monitor`)).length > 0 && world.clock.monotonic() < until) {
    await world.clock.sleep(5);
  }
  await cgroups.killAll(guest.id);
  await cgroups.remove(guest.id);
  await records.forget(guest);
  context.watchers.forget(guest.id);
}

/** The caller holds the guest's lock. Refuses while anything of the container lives. */
export async function remove(context: LxcContext, guest: GuestHandle): Promise<void> {
  if ((await context.cgroups.members(guest.id)).length > 0) {
    throw new ReasonedError('GuestRunning', `container ${guest.id} still has processes; stop it first`);
  }
  await context.cgroups.remove(guest.id);
  await context.world.files.removeTree(containerPaths(guest).folder);
  // Where LXC keeps the AppArmor profile it made.
  await context.world.files.removeTree(`${context.lxcPath}/${guest.id}`);
  context.watchers.forget(guest.id);
}
