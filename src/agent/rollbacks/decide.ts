/** What becomes of a Rollback on this host. Pure. */

import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Rollback, RollbackStatus } from '../../api/kinds/rollback.ts';
import type { SnapshotPhase } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { GuestLock } from '../record.ts';

export type RollbackFacts = {
  rollback: Stored<Rollback>;
  /** Undefined: this host has no record of the guest. `finished`: it was this rollback that was finished last. */
  record:
    | { lock: 'Free' | 'Own' | 'Other'; own: GuestLock | undefined; finished: boolean; isOn: boolean }
    | undefined;
  guest: 'Here' | 'Deleting' | 'Away';
  observation: GuestObservation['state'] | undefined;
  /** Undefined: no such Snapshot is known here. `stands`: its data is here. */
  snapshot: { phase: SnapshotPhase | undefined; isOfGuest: boolean; stands: boolean } | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

type EndPhase = Exclude<NonNullable<RollbackStatus['phase']>, 'Pending' | 'Running'>;
export type RollbackEnd = { type: 'end'; phase: EndPhase; reason: string; message: string };

export type RollbackDecision =
  | { type: 'rest' }
  | RollbackEnd
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** Take the lock; a guest that runs is stopped by its own controller then. */
  | { type: 'begin' }
  | { type: 'follow'; message: string }
  /** The guest is off and locked: change its volumes. */
  | { type: 'act' }
  /** Give the lock back with nothing changed. */
  | { type: 'callOff'; end: RollbackEnd };

export function decideRollback(facts: RollbackFacts): RollbackDecision {
  const { rollback, record } = facts;
  if (rollback.status?.completedAt !== undefined) return { type: 'rest' };
  if (record?.finished === true) return end('Succeeded', 'RolledBack', 'the guest is what it was');
  if (record?.own !== undefined) return decideOwn(facts, record.own);
  if (rollback.status?.phase === 'Running')
    return end('Failed', 'Interrupted', 'this host does not know of it any more: look at the guest');
  return decideNew(facts);
}

function end(phase: EndPhase, reason: string, message: string): RollbackEnd {
  return { type: 'end', phase, reason, message };
}

function decideOwn({ guest, record, observation }: RollbackFacts, own: GuestLock): RollbackDecision {
  if (guest === 'Deleting')
    return { type: 'callOff', end: end('Failed', 'GuestDeleted', 'the guest is being deleted') };
  if (own.changing === true || (observation === 'Off' && record?.isOn === false)) return { type: 'act' };
  return { type: 'follow', message: 'the guest is being stopped for the rollback' };
}

function decideNew(facts: RollbackFacts): RollbackDecision {
  const { rollback, record, guest, observation, now } = facts;
  const { spec } = rollback;
  if (isRestoredCopy(rollback))
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of a rollback: it is never executed');
  const leftMs = startDeadlineOf(rollback) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  if (guest === 'Deleting') return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  const wait = (reason: string, message: string, afterMs = 2_000): RollbackDecision => ({
    type: 'wait',
    reason,
    message,
    afterMs: Math.min(leftMs, afterMs),
  });
  if (record === undefined || guest === 'Away' || observation === undefined)
    return wait('GuestNotHere', 'the guest is not looked after by this host yet', 10_000);
  const snapshot = judgeSnapshot(facts);
  if (snapshot !== undefined)
    return snapshot.final
      ? end('Failed', snapshot.reason, snapshot.message)
      : wait(snapshot.reason, snapshot.message);
  if (record.lock === 'Other')
    return wait('GuestLocked', 'other work is under way: see status.lock of the guest');
  if (observation === 'Unmanageable')
    return end('Failed', 'Unmanageable', 'the guest does not answer on its host: see its condition Running');
  const isOn = observation !== 'Off' || record.isOn;
  if (isOn && spec.ifRunning !== 'Stop')
    return end('Failed', 'GuestRunning', 'the guest runs: stop it first, or ask with ifRunning: Stop');
  return { type: 'begin' };
}

type Objection = { reason: string; message: string; final: boolean };

function judgeSnapshot({ rollback, snapshot }: RollbackFacts): Objection | undefined {
  const { snapshot: name, guest } = rollback.spec;
  if (snapshot === undefined)
    return {
      reason: 'SnapshotNotFound',
      message: `there is no Snapshot ${name} of a guest on this host in this namespace`,
      final: false,
    };
  if (!snapshot.isOfGuest)
    return {
      reason: 'SnapshotOfOther',
      message: `the Snapshot ${name} is not one of ${guest.kind} ${guest.name}`,
      final: true,
    };
  if (snapshot.stands) return undefined;
  const isComing =
    snapshot.phase === undefined || snapshot.phase === 'Pending' || snapshot.phase === 'Taking';
  const message = isComing
    ? `the Snapshot ${name} is not taken yet`
    : `the Snapshot ${name} is ${snapshot.phase}: there is nothing to roll back to`;
  return { reason: 'SnapshotNotReady', message, final: !isComing };
}
