/** What becomes of a Snapshot on this host. Pure. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import { isTaken, type Snapshot, type SnapshotPhase } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { RecordedSnapshot } from '../record.ts';

export type SnapshotFacts = {
  snapshot: Stored<Snapshot>;
  /** Undefined: this host has no record of the guest. */
  record: { lock: 'Free' | 'Own' | 'Other'; taken: RecordedSnapshot | undefined } | undefined;
  guest: 'Here' | 'Deleting' | 'Away';
  /** A consistent read shows no such guest any more. Asked only of one that is away. */
  isGone: boolean;
  observation: GuestObservation['state'] | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

export type SnapshotDecision =
  /** All is said. `againMs`: what would change that tells nobody. */
  | { type: 'rest'; againMs?: number }
  /** It stands: say what the record knows. */
  | { type: 'say'; taken: RecordedSnapshot }
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** An earlier agent died in it. */
  | { type: 'undo' }
  | { type: 'take' }
  | { type: 'end'; phase: SnapshotPhase; reason: string; message: string };

/** What tells nobody is looked at again after this. */
const RECHECK_MS = 2_000;

export function decideSnapshot(facts: SnapshotFacts): SnapshotDecision {
  const { snapshot, record } = facts;
  if (record?.taken !== undefined) return { type: 'say', taken: record.taken };
  if (record?.lock === 'Own') return { type: 'undo' };
  if (snapshot.status?.phase === 'Ready') return decideLost(facts);
  if (isTaken(snapshot)) return { type: 'rest' };
  return decideNew(facts);
}

function decideLost({ record, isGone }: SnapshotFacts): SnapshotDecision {
  // Its guest has left this host, and its object perhaps only begins to go.
  if (record === undefined && !isGone) return { type: 'rest', againMs: 5_000 };
  return end('Lost', 'SnapshotLost', 'the volumes that held it are gone');
}

function end(phase: SnapshotPhase, reason: string, message: string): SnapshotDecision {
  return { type: 'end', phase, reason, message };
}

function decideNew({ snapshot, record, guest, observation, now }: SnapshotFacts): SnapshotDecision {
  if (isRestoredCopy(snapshot))
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of a snapshot: it is never taken');
  const leftMs = startDeadlineOf(snapshot) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not be taken within startDeadlineSeconds');
  if (guest === 'Deleting') return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  const wait = (reason: string, message: string, afterMs = RECHECK_MS): SnapshotDecision => ({
    type: 'wait',
    reason,
    message,
    afterMs: Math.min(leftMs, afterMs),
  });
  if (record === undefined || guest === 'Away' || observation === undefined)
    return wait('GuestNotHere', 'the guest is not looked after by this host yet', 10_000);
  if (record.lock === 'Other')
    return wait('GuestLocked', 'other work is under way: see status.lock of the guest');
  if (observation === 'Unmanageable')
    return wait('Unmanageable', 'the guest does not answer on its host: see its condition Running');
  if (observation !== 'Off' && observation !== 'Running' && observation !== 'Paused')
    return wait('GuestStarting', 'the guest is being started');
  return { type: 'take' };
}
