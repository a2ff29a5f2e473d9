/** Whether a job may begin: what stands against jobs of every kind. Each question has its own answer, in the order in which they are asked. Pure. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { KubeObject, Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import { type JobEnd, type JobWait, jobEnd } from './status.ts';

/** What stands against a job; `final`: waiting does not help. */
export type Objection = { reason: string; message: string; final: boolean };

/** An objection that will not go away. */
export function never(reason: string, message: string): Objection {
  return { reason, message, final: true };
}

/** An objection that may go away. */
export function notYet(reason: string, message: string): Objection {
  return { reason, message, final: false };
}

/** What is looked at of any guest that a job is about. */
export type GuestFacts = {
  /** Undefined: this host has no record of the guest. */
  record: { lock: 'Free' | 'Own' | 'Other'; isOn: boolean } | undefined;
  guest: 'Here' | 'Deleting' | 'Away';
  observation: GuestObservation['state'] | undefined;
};

/** What tells nobody is looked at again after this. */
const RECHECK_MS = 2_000;

type Timed = KubeObject<
  { startDeadlineSeconds?: number; notBefore?: string },
  { phase?: string; message?: string }
>;

/** `next`, unless the job must never be executed or its time is over; it waits no longer than until then. `noun`: what it is called. */
export function inTime<D extends { type: string }>(
  job: Stored<Timed>,
  { now, noun }: { now: number; noun: string },
  next: () => D,
): D | JobEnd<'Failed' | 'Skipped'> {
  if (isRestoredCopy(job))
    return jobEnd('Skipped', 'RestoredCopy', `this is a restored copy of a ${noun}: it is never executed`);
  const leftMs = job.status?.phase === 'Running' ? Number.POSITIVE_INFINITY : startDeadlineOf(job) - now;
  if (leftMs <= 0) {
    // What it has waited for all the time.
    const why = job.status?.message === undefined ? '' : `: ${job.status.message}`;
    return jobEnd('Failed', 'Expired', `it could not begin within startDeadlineSeconds${why}`);
  }
  const decision = next();
  if (!('afterMs' in decision) || typeof decision.afterMs !== 'number') return decision;
  return { ...decision, afterMs: Math.min(leftMs, decision.afterMs) };
}

/** The step that an objection makes. */
export function objected(
  { reason, message, final }: Objection,
  afterMs = RECHECK_MS,
): JobWait | JobEnd<'Failed'> {
  return final ? jobEnd('Failed', reason, message) : { type: 'wait', reason, message, afterMs };
}

/** The guest is not here, or goes. */
export function unlessHere({
  guest,
  record,
  observation,
}: GuestFacts): JobWait | JobEnd<'Failed'> | undefined {
  if (guest === 'Deleting') return jobEnd('Failed', 'GuestDeleted', 'the guest is being deleted');
  if (record !== undefined && guest === 'Here' && observation !== undefined) return undefined;
  return objected(notYet('GuestNotHere', 'the guest is not looked after by this host yet'), 10_000);
}

/** Others work on the guest. */
export function unlessFree({ record }: GuestFacts): JobWait | JobEnd<'Failed'> | undefined {
  if (record?.lock !== 'Other') return undefined;
  return objected(notYet('GuestLocked', 'other work is under way: see status.lock of the guest'));
}

/** The guest neither runs nor stands still nor is off: it may soon. */
export function unlessSettled({ observation }: GuestFacts): JobWait | JobEnd<'Failed'> | undefined {
  if (observation === 'Unmanageable')
    return objected(
      notYet('Unmanageable', 'the guest does not answer on its host: see its condition Running'),
    );
  if (observation === 'Off' || observation === 'Running' || observation === 'Paused') return undefined;
  return objected(notYet('GuestStarting', 'the guest is being started'));
}
