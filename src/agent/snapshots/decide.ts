/** What becomes of a Snapshot on this host. Pure. */
import { isTaken, type Snapshot, type SnapshotPhase } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import { type GuestFacts, inTime, unlessFree, unlessHere, unlessSettled } from '../jobs/begin.ts';
import { type JobEnd, type JobWait, jobEnd } from '../jobs/status.ts';
import type { RecordedSnapshot } from '../record.ts';

export type SnapshotFacts = GuestFacts & {
  snapshot: Stored<Snapshot>;
  /** This agent is at it. */
  isWorking: boolean;
  /** It stands on this host. */
  taken: RecordedSnapshot | undefined;
  /** A consistent read shows no such guest any more. Asked only of one that is away. */
  isGone: boolean;
  /** Wall clock, milliseconds. */
  now: number;
};

export type SnapshotDecision =
  /** It stands: say what the record knows. */
  | { type: 'say'; taken: RecordedSnapshot }
  | { type: 'rest'; afterMs?: number }
  | JobWait
  | JobEnd<Exclude<SnapshotPhase, 'Pending' | 'Taking' | 'Ready'>>
  /** It came here with the disks of its guest, or is lost. */
  | { type: 'adopt' }
  /** An earlier agent died in it. */
  | { type: 'undo' }
  | { type: 'take' };

export function decideSnapshot(facts: SnapshotFacts): SnapshotDecision {
  const { snapshot, record, taken } = facts;
  if (taken !== undefined) return { type: 'say', taken };
  if (facts.isWorking) return { type: 'take' };
  if (record?.lock === 'Own') return { type: 'undo' };
  if (snapshot.status?.phase === 'Ready') return decideUnknown(facts);
  if (isTaken(snapshot)) return { type: 'rest' };
  return inTime(snapshot, { now: facts.now, noun: 'snapshot' }, () => decideNew(facts));
}

function decideUnknown({ guest, isGone }: SnapshotFacts): SnapshotDecision {
  if (guest === 'Here') return { type: 'adopt' };
  if (isGone) return LOST;
  // Its guest has left this host or has still to come, or its object perhaps only begins to go.
  return { type: 'rest', afterMs: 5_000 };
}

export const LOST = jobEnd('Lost', 'SnapshotLost', 'the volumes that held it are gone');

function decideNew(facts: SnapshotFacts): SnapshotDecision {
  return unlessHere(facts) ?? unlessFree(facts) ?? unlessSettled(facts) ?? { type: 'take' };
}
