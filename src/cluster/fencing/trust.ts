/**
 * Whether what devices say can be believed: a host that renews its Lease in the same boot after a device has called it off was not off. Its guests are
 * safe all the same, by the wait before such a word counts; but the device proves nothing any more.
 */
import { keeperLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { readStatement } from '../../api/keeperLease.ts';
import type { FenceAction, FenceActionStatus } from '../../api/kinds/fenceAction.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { findCondition, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Pass } from '../../runtime/contract.ts';

/** Of FenceDevices; there while it is False. */
export const TRUSTED = 'Trusted';

/** Renewals that were on their way when the power went are written by then. */
const SETTLED_MS = 5_000;

/** What a look at the host's Lease adds to an action that is over, and after how long another look is due. */
export async function crossExamine({
  object: { spec, status = {} },
  now,
  client,
  signal,
}: Pass<FenceAction>): Promise<{ found: Partial<FenceActionStatus>; againMs?: number }> {
  const { phase, completedAt = '', heardSequence, contradictedAt } = status;
  if (phase !== 'PoweredOff' || contradictedAt !== undefined) return { found: {} };
  const age = now - Date.parse(completedAt);
  if (age >= 0 && age < SETTLED_MS) return { found: {}, againMs: SETTLED_MS - age };
  const ref = { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName(spec.host) };
  const lease = await client.find(Lease, ref, { signal });
  const statement = lease === undefined ? undefined : readStatement(lease.metadata);
  if (statement?.bootID !== spec.bootID) return { found: {} };
  if (heardSequence === undefined)
    return { found: { heardSequence: statement.sequence }, againMs: SETTLED_MS };
  if (statement.sequence === heardSequence) return { found: {} };
  return { found: { contradictedAt: timeOf(now) } };
}

/** By what its controller last said of it. */
export function isUntrusted({ status }: Stored<FenceDevice>): boolean {
  return findCondition(status?.conditions, TRUSTED)?.status === 'False';
}

/** `actions`: those in which the device was told to switch. Pure. */
export function withTrust(
  conditions: readonly Condition[],
  actions: readonly Stored<FenceAction>[],
  at: { now: number; generation: number | undefined },
): Condition[] {
  const lie = actions.find(({ status }) => status?.contradictedAt !== undefined);
  if (lie === undefined) return removeCondition(conditions, TRUSTED);
  const { host } = lie.spec;
  const message = `it called ${host} off, and ${host} went on renewing its Lease in the same boot: see that it switches the right machine, then kubectl delete fenceaction ${lie.metadata.name}`;
  return setCondition(
    conditions,
    { type: TRUSTED, status: 'False', reason: 'CalledOffWhatRan', message },
    at,
  );
}
