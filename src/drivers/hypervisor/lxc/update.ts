/** Changing a running container: limits now, the rest as pending changes. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { ContainerRequest, GuestHandle, PendingChange } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { limitsOf, withLimitsOf } from './limits.ts';
import { containerPaths, payloadGroup } from './paths.ts';
import { pendingChanges, pendingLimits } from './pending.ts';
import { planConfig } from './plan.ts';
import type { RunRecord } from './record.ts';

/**
 * Limits are compared with what the kernel holds, all else with the
 * request it was started with.
 */
export async function update(
  context: LxcContext,
  guest: GuestHandle,
  request: ContainerRequest,
): Promise<PendingChange[]> {
  const { cgroups, records } = context;
  const group = payloadGroup(guest.id);
  if ((await cgroups.members(group)).length === 0) return [];
  const refused = await applyLimits(context, group, request);
  const pending = refused ? pendingLimits(await cgroups.limits(group), request) : [];
  const record = await records.read(guest);
  if (record === undefined) return pending;
  await keepLimits(context, guest, record, request);
  return [...pending, ...pendingChanges(record.request, request)];
}

/** A container that reboots itself is to have the limits of now, not those of its start. */
async function keepLimits(
  { world, cgroups }: LxcContext,
  guest: GuestHandle,
  { request: started, hardware }: RunRecord,
  wanted: ContainerRequest,
): Promise<void> {
  const { config } = containerPaths(guest);
  const text = planConfig(guest, withLimitsOf(started, wanted), hardware, cgroups);
  if ((await world.files.readText(config)) === text) return;
  await world.files.writeAtomic(config, text, { mode: 0o600 });
}

/** True when the kernel refused one: what it then holds is pending. */
async function applyLimits(
  { cgroups, world }: LxcContext,
  group: string,
  request: ContainerRequest,
): Promise<boolean> {
  try {
    await cgroups.limit(group, limitsOf(request));
    return false;
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason !== 'CgroupRefused') throw error;
    world.log.info('a limit has to wait for a restart', { group, cause: error.message });
    return true;
  }
}
