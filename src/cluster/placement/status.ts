/** The status of a guest that has no host yet, or gets one in this pass. Pure: guest and outcome in, whole status out. */
import type { GuestPhase, GuestStatus } from '../../api/guest.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { Outcome } from '../../base/outcome.ts';
import { removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Guest } from '../guests.ts';

type Aspect = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export function placedStatus(
  guest: Stored<Guest>,
  placement: { host: string; epoch: number; now: number },
): GuestStatus {
  const since = new Date(placement.now).toISOString().replace(/\.\d+Z$/, 'Z');
  const aspects: Aspect[] = [
    { type: 'Scheduled', status: 'True', reason: 'Placed', message: '' },
    { type: 'Ready', status: 'False', reason: 'Scheduled', message: 'the host takes over' },
    { type: 'Reconciling', status: 'True', reason: 'Scheduled', message: 'the host takes over' },
  ];
  return {
    ...guest.status,
    ...seen(guest),
    phase: guest.status?.phase ?? 'Pending',
    placement: { host: placement.host, epoch: placement.epoch, since },
    conditions: withAspects(guest, aspects, ['Stalled'], placement.now),
  };
}

export function unplacedStatus(guest: Stored<Guest>, outcome: Outcome, now: number): GuestStatus {
  return {
    ...guest.status,
    ...seen(guest),
    phase: phaseOf(guest, outcome),
    conditions: conditionsOf(guest, outcome, now),
  };
}

function phaseOf(guest: Stored<Guest>, outcome: Outcome): GuestPhase {
  if (guest.metadata.deletionTimestamp !== undefined) return 'Terminating';
  return outcome.type === 'done' ? 'Stopped' : 'Pending';
}

function conditionsOf(guest: Stored<Guest>, outcome: Outcome, now: number): Condition[] {
  if (outcome.type === 'done') {
    const message = 'the guest is stopped, as declared';
    const aspects: Aspect[] = [
      { type: 'Scheduled', status: 'False', reason: 'NotNeeded', message },
      { type: 'Ready', status: 'True', reason: 'Stopped', message },
    ];
    return withAspects(guest, aspects, ['Reconciling', 'Stalled'], now);
  }
  const { reason, message } = outcome;
  const aspects: Aspect[] = [
    { type: 'Scheduled', status: 'False', reason, message },
    { type: 'Ready', status: 'False', reason, message },
    { type: outcome.type === 'stalled' ? 'Stalled' : 'Reconciling', status: 'True', reason, message },
  ];
  return withAspects(guest, aspects, [outcome.type === 'stalled' ? 'Reconciling' : 'Stalled'], now);
}

function withAspects(
  guest: Stored<Guest>,
  aspects: readonly Aspect[],
  without: readonly string[],
  now: number,
): Condition[] {
  const at = { now, ...seen(guest) };
  let conditions: Condition[] = [...(guest.status?.conditions ?? [])];
  for (const type of without) conditions = removeCondition(conditions, type);
  for (const aspect of aspects) {
    conditions = setCondition(conditions, aspect, {
      now,
      ...(at.observedGeneration === undefined ? {} : { generation: at.observedGeneration }),
    });
  }
  return conditions;
}

function seen(guest: Stored<Guest>): { observedGeneration?: number } {
  return guest.metadata.generation === undefined ? {} : { observedGeneration: guest.metadata.generation };
}
