/** What becomes of a job that changes the volumes of a guest, for which the guest is held off. Pure. */
import type { Stored } from '../../../api/meta.ts';
import type { GuestLock } from '../../record.ts';
import { type GuestFacts, inTime, type Objection, objected, unlessFree, unlessHere } from '../begin.ts';
import { type JobEnd, type JobStep, jobEnd } from '../status.ts';
import type { ChangingJob } from './contract.ts';

/** A guest that says nothing of its end is looked at again after this. */
export const FOLLOW_MS = 10_000;

export type HeldFacts = GuestFacts & {
  job: Stored<ChangingJob>;
  noun: string;
  /** The lock, when it is this job's. */
  own: GuestLock | undefined;
  /** What to say when it was this job that was finished last. */
  finished: JobEnd | undefined;
  /** What stands against it. Asked only of one that has not begun. */
  objection: Objection | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

export type HeldDecision =
  | JobStep
  /** Take the lock; a guest that is on is stopped by its own controller then, at once or when all is prepared. */
  | { type: 'begin'; isOn: boolean }
  /** Make ready what can be made beside the guest; then hold it off. */
  | { type: 'prepare' }
  /** The guest is off and locked: change its volumes. */
  | { type: 'act' }
  /** Give the lock back with nothing changed. */
  | { type: 'callOff'; end: JobEnd };

export function decideHeld(facts: HeldFacts): HeldDecision {
  const { job, record, own, finished } = facts;
  if (job.status?.completedAt !== undefined) return { type: 'rest' };
  if (finished !== undefined) return finished;
  if (own !== undefined) return decideOwn(facts, own);
  return inTime<HeldDecision>(job, facts, () => {
    if (job.status?.phase !== 'Running') return decideNew(facts);
    return record === undefined
      ? jobEnd('Failed', 'GuestDeleted', `the guest has gone before the ${facts.noun} was over`)
      : jobEnd('Failed', 'Interrupted', 'this host does not know of it any more: look at the guest');
  });
}

function decideOwn({ guest, record, observation, noun }: HeldFacts, own: GuestLock): HeldDecision {
  if (guest === 'Deleting')
    return { type: 'callOff', end: jobEnd('Failed', 'GuestDeleted', 'the guest is being deleted') };
  if (own.away === true) {
    const message = `this host was lost before the ${noun} was over, and the guest was placed on another`;
    return { type: 'callOff', end: jobEnd('Failed', 'HostLost', message) };
  }
  if (own.changing === true) return { type: 'act' };
  if (own.held === undefined) return { type: 'prepare' };
  if (observation === 'Off' && record?.isOn === false) return { type: 'act' };
  return { type: 'follow', message: `the guest is being stopped for the ${noun}`, afterMs: FOLLOW_MS };
}

function decideNew(facts: HeldFacts): HeldDecision {
  const { objection, observation, record, job, noun } = facts;
  const inTheWay = unlessHere(facts) ?? (objection && objected(objection)) ?? unlessFree(facts);
  if (inTheWay !== undefined) return inTheWay;
  if (observation === 'Unmanageable')
    return jobEnd(
      'Failed',
      'Unmanageable',
      'the guest does not answer on its host: see its condition Running',
    );
  const isOn = observation !== 'Off' || record?.isOn === true;
  if (isOn && job.spec.ifRunning !== 'Stop')
    return jobEnd(
      'Failed',
      'GuestRunning',
      `the guest runs: stop it before the ${noun}, or ask with ifRunning: Stop`,
    );
  return { type: 'begin', isOn };
}
