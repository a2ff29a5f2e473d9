/** Changing a running container: limits now, the rest as pending changes. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { ContainerRequest, GuestHandle, PendingChange } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { limitsOf } from './limits.ts';
import { payloadGroup } from './paths.ts';
import { pendingChanges, pendingLimits } from './pending.ts';

/**
 * Limits are compared with what the kernel holds, because a container that rebooted itself got those of its start back; all else with the
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
  const started = (await records.read(guest))?.request;
  return [
    ...(refused ? pendingLimits(await cgroups.limits(group), request) : []),
    ...(started === undefined ? [] : pendingChanges(started, request)),
  ];
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
