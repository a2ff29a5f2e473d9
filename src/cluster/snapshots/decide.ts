/** What the cluster does about a Snapshot, a Rollback, a Backup or a Restore: gives it the host of its guest, or ends what no host will end. Pure. */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Backup } from '../../api/kinds/backup.ts';
import type { Restore } from '../../api/kinds/restore.ts';
import type { Rollback } from '../../api/kinds/rollback.ts';
import type { Snapshot } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import { type JobDecision, jobEnd } from '../jobs.ts';

export type Kept = Snapshot | Rollback | Backup | Restore;

export type KeptFacts = {
  job: Stored<Kept>;
  /** Nothing is done for it any more, whatever it came to. */
  isOver: boolean;
  guest: StoredGuest | undefined;
  /** No such Host exists any more. */
  isHostGone(name: string): boolean;
  /** What ran there does not run any more, or nobody hears of it. */
  isHostLost(name: string): boolean;
  now: number;
};

export type KeptDecision =
  | JobDecision
  /** The host that would have let it go is gone. */
  | { type: 'release' }
  /** It is deleted, and only a host that is lost can let it go. */
  | { type: 'kept'; reason: string; message: string };

export function decideKept(facts: KeptFacts): KeptDecision {
  const { job, isOver, isHostGone } = facts;
  const host = job.status?.host;
  const isLost = host !== undefined && isHostGone(host);
  if (job.metadata.deletionTimestamp !== undefined) {
    if (isLost) return { type: 'release' };
    return host !== undefined && facts.isHostLost(host) ? keptBy(host) : { type: 'rest' };
  }
  if (isLost && job.status?.phase === 'Ready')
    return jobEnd('Lost', 'HostGone', `it lay on the host ${host}, which has been removed`);
  if (isOver) return { type: 'rest' };
  if ('import' in job.spec && job.spec.import !== undefined) {
    const own = host ?? job.spec.import.host;
    if (isHostGone(own)) return waitForHost(own);
    return host === undefined ? { type: 'assign', host: own } : { type: 'rest' };
  }
  if (isLost && hasBegun(job)) return jobEnd('Failed', 'HostGone', `the host ${host} has been removed`);
  return hasBegun(job) ? follow(facts) : begin(facts);
}

function keptBy(host: string): KeptDecision {
  const message = `it lies on the host ${host}, which is lost, and goes when that is back. If it is gone for good, delete the Host ${host}: what lies there stays where it is then`;
  return { type: 'kept', reason: 'HostLost', message };
}

/** Its guest is locked for it, so it is only elsewhere when it was recovered from a host that was lost. */
function follow({ job, guest, isHostLost }: KeptFacts): KeptDecision {
  const host = job.status?.host;
  const placed = guest?.status?.placement?.host;
  if (host === undefined || placed === undefined || placed === host || !isHostLost(host))
    return { type: 'rest' };
  const message = `the host ${host} was lost before it was over, and the guest is on ${placed} now`;
  return jobEnd('Failed', 'HostLost', message);
}

function hasBegun({ status }: Kept): boolean {
  return status?.phase === 'Taking' || status?.phase === 'Running';
}

function begin({ job, guest, now, isHostLost }: KeptFacts): KeptDecision {
  const { spec, status } = job;
  if (isRestoredCopy(job))
    return jobEnd('Skipped', 'RestoredCopy', 'this is a restored copy: it is never executed');
  const afterMs = startDeadlineOf(job) - now;
  const placed = guest?.status?.placement?.host;
  // Its host ends it itself; one that does not answer is waited for until its guest is elsewhere, and one that is lost no longer than it may begin.
  if (status?.host !== undefined && (placed === undefined || placed === status.host))
    return isHostLost(status.host) && (status.phase ?? 'Pending') === 'Pending'
      ? waitForLost(status.host, afterMs)
      : { type: 'rest' };
  if (afterMs <= 0) return jobEnd('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  if (placed !== undefined) return { type: 'assign', host: placed };
  const { kind, name } = spec.guest;
  return guest === undefined
    ? {
        type: 'wait',
        reason: 'GuestNotFound',
        message: `${kind} "${name}" does not exist in this namespace`,
        afterMs,
      }
    : { type: 'wait', reason: 'WaitingForPlacement', message: 'the guest has no host yet', afterMs };
}

/** It may join yet, and a shared pool is looked into on another one. */
function waitForHost(host: string): KeptDecision {
  const message = `there is no Host ${host}, which is to have the archive: correct spec.import.host in a new Backup`;
  return { type: 'wait', reason: 'HostNotFound', message, afterMs: HOST_RECHECK_MS };
}

const HOST_RECHECK_MS = 60_000;

function waitForLost(host: string, afterMs: number): KeptDecision {
  const message = `its host ${host} is lost`;
  if (afterMs > 0)
    return { type: 'wait', reason: 'HostLost', message: `${message}: it is waited for`, afterMs };
  return jobEnd('Failed', 'HostLost', `${message}: it could not begin within startDeadlineSeconds`);
}
