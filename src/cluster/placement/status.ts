/** The status of a guest that has no host yet, or gets one in this pass. Pure: guest and outcome in, whole status out. */
import type { GuestPhase, GuestStatus } from '../../api/guest.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { type Outcome, waiting } from '../../base/outcome.ts';
import { findCondition, readiness, setCondition } from '../../runtime/conditions.ts';
import type { Guest } from '../guests.ts';

const STOPPED = { status: 'True', reason: 'Stopped', message: 'the guest is stopped, as declared' } as const;

/** Placed: the claim, and Ready False until the host has taken over. */
export function placedStatus(
  guest: Stored<Guest>,
  { host, epoch, now }: { host: string; epoch: number; now: number },
): GuestStatus {
  const since = timeOf(now);
  const scheduled = { type: 'Scheduled', status: 'True', reason: 'Placed', message: '' } as const;
  return withConditions(guest, scheduled, waiting('Scheduled', 'the host takes over'), now, {
    phase: guest.status?.phase ?? 'Pending',
    placement: { host, epoch, since },
  });
}

/** A guest that has waited so long for the same thing is stalled too, and goes on by itself all the same. */
export const STALLED_AFTER_MS = 600_000;

/** Without a host: stopped as declared, or why it waits. */
export function unplacedStatus(guest: Stored<Guest>, outcome: Outcome, now: number): GuestStatus {
  const { reason, message } =
    outcome.type === 'done' ? { reason: 'NotNeeded', message: STOPPED.message } : outcome;
  const scheduled = { type: 'Scheduled', status: 'False', reason, message } as const;
  const status = withConditions(guest, scheduled, outcome, now, { phase: phaseOf(guest, outcome) });
  if (outcome.type !== 'waiting' || !hasWaitedLong(guest, reason, now)) return status;
  return { ...status, conditions: withStalled(guest, status.conditions ?? [], { reason, message, now }) };
}

function hasWaitedLong(guest: Stored<Guest>, reason: string, now: number): boolean {
  const ready = findCondition(guest.status?.conditions, 'Ready');
  return (
    ready?.status === 'False' &&
    ready.reason === reason &&
    now - Date.parse(ready.lastTransitionTime) >= STALLED_AFTER_MS
  );
}

/** Before Reconciling: of the two the first that is True decides for kstatus. */
function withStalled(
  guest: Stored<Guest>,
  conditions: readonly Condition[],
  { reason, message, now }: { reason: string; message: string; now: number },
): Condition[] {
  const { generation } = guest.metadata;
  const old = findCondition(guest.status?.conditions, 'Stalled');
  const [stalled] = setCondition(
    old === undefined ? [] : [old],
    { type: 'Stalled', status: 'True', reason, message },
    { now, generation },
  );
  return stalled === undefined ? [...conditions] : [stalled, ...conditions];
}

function phaseOf(guest: Stored<Guest>, outcome: Outcome): GuestPhase {
  if (guest.metadata.deletionTimestamp !== undefined) return 'Terminating';
  return outcome.type === 'done' ? 'Stopped' : 'Pending';
}

function withConditions(
  guest: Stored<Guest>,
  scheduled: Parameters<typeof setCondition>[1],
  outcome: Outcome,
  now: number,
  rest: Pick<GuestStatus, 'phase' | 'placement'>,
): GuestStatus {
  const { generation } = guest.metadata;
  const context = { now, generation };
  const conditions = setCondition([...(guest.status?.conditions ?? [])], scheduled, context);
  return {
    ...guest.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...rest,
    conditions: readiness(conditions, outcome, STOPPED, context),
  };
}
