/**
 * The manager's word to a host about a guest that is placed there: the life of the host in which it may start. Nothing is moved here, so no proof
 * is needed: the host knows what it runs. A host that fell silent before it was told is judged as one that was. Pure.
 */
import type { StoredGuest } from '../guests.ts';
import {
  type GuestRecord,
  type HostView,
  isSameLife,
  type Life,
  NO_LIFE,
  type Placement,
  type View,
  waitsUntold,
} from '../ha/model.ts';
import { machineOf } from '../ha/proofs.ts';
import { isPresent } from '../ha/round.ts';
import { isDeadBy } from './evidence.ts';
import { guestId, guestView, isToRun } from './guestViews.ts';

/** The record to store, or undefined when nothing is to be said. */
export function admit(
  guest: StoredGuest,
  host: HostView | undefined,
  { observer, now }: Pick<View, 'observer' | 'now'>,
): GuestRecord | undefined {
  const placement = guest.status?.placement;
  const life = host?.record.life;
  if (placement === undefined || host === undefined || life === undefined) return undefined;
  const record = guestView(guest)?.record;
  if (isTold(record, life)) return undefined;
  const spoken = spokenLife(host, observer);
  const { host: name, epoch } = placement;
  const state = isToRun(guest) ? 'Starting' : 'Stopped';
  const attempts = guest.status?.ha?.attempts;
  const kept = attempts === undefined ? {} : { attempts };
  if (record === undefined || (waitsUntold(record) && isPresent(host))) {
    // The life of a host that is lost by now is not known before it is back: the guest waits and says so, and the host is fenced for it.
    if (spoken === undefined)
      return isPresent(host) ? undefined : { ...kept, state, placement: { host: name, epoch, ...NO_LIFE } };
    return firstRecord(guest, host, { ...kept, state, placement: { host: name, epoch, ...spoken } });
  }
  if (spoken?.bootID !== life.bootID) return undefined;
  if (!isPresent(host) || observer.isSuspect(host.name, now)) return undefined;
  if (record.state === 'Error')
    return outOfError(guest, host, { state, placement: { host: name, epoch, ...life } });
  if (isSameLife(record.placement, life))
    return record.state === 'Stopped' && state === 'Starting'
      ? { state, placement: { host: name, epoch, ...life } }
      : undefined;
  // Its host was fenced and is back before anybody saw the proof: it starts the guest again itself.
  const isBack = record.state === 'Fencing' && isSameLife(host.reportedIn, life);
  return isBack && host.reported.get(guestId(guest))?.state !== 'Running'
    ? { state, placement: { host: name, epoch: epoch + 1, ...life } }
    : undefined;
}

/** As nearly all are in nearly every round: only one that was off, or did not start, may have to hear more of the same life. */
function isTold(record: GuestRecord | undefined, life: Life): boolean {
  return record?.state !== 'Stopped' && record?.state !== 'Error' && isSameLife(record?.placement, life);
}

/**
 * The life of the host that is on record, or the one in which its Lease and its agent speak when that is another boot of the same machine, as after a
 * restore of the API from an older copy: a proof of the boot that is over must not count for what runs in the present one. Undefined: not known yet.
 */
function spokenLife(host: HostView, observer: Pick<View['observer'], 'lease'>): Life | undefined {
  const { life } = host.record;
  const lease = observer.lease(host.name);
  const isOther = (said: Life | undefined) => said !== undefined && said.bootID !== life?.bootID;
  if (!isOther(host.reportedIn) && !isOther(lease)) return life;
  const { reportedIn } = host;
  const isOne = reportedIn !== undefined && reportedIn.bootID === lease?.bootID;
  return isOne && machineOf(host, reportedIn) === 'Same' ? reportedIn : undefined;
}

/**
 * A guest that does not start is told nothing, until it is not to run any more: then what its host counted is over, by a new epoch. One that does
 * run, against all odds, is watched again.
 */
function outOfError(
  guest: StoredGuest,
  host: HostView,
  { state, placement }: GuestRecord & { placement: Placement },
): GuestRecord | undefined {
  const isRunning =
    host.reported.get(guestId(guest))?.state === 'Running' && isSameLife(host.reportedIn, host.record.life);
  if (isRunning) return { state, placement };
  return state === 'Stopped' ? { state, placement: { ...placement, epoch: placement.epoch + 1 } } : undefined;
}

/**
 * A guest came to its host by a move, or was there before it was protected, and nothing is stored of it there. If the host is lost by now, what
 * it may have begun is waited for as if it had been told: nobody else would ask for a proof. A host that is proven dead is told nothing more of that boot.
 */
function firstRecord(guest: StoredGuest, { record }: HostView, told: GuestRecord): GuestRecord | undefined {
  const { placement } = told;
  if (record.state !== 'Fenced' || placement?.bootID !== record.life?.bootID) return told;
  const isProven = placement !== undefined && isDeadBy(record, guest.metadata.uid, placement);
  return isProven ? { state: 'Recovering', placement: { ...placement, ...NO_LIFE } } : undefined;
}
