/**
 * The manager's word to a host about a guest that is placed there: the life of the host in which it may start. Nothing is moved here, so no proof
 * is needed: the host knows what it runs. Pure.
 */
import type { StoredGuest } from '../guests.ts';
import { type GuestRecord, type HostView, isSameLife, type View } from '../ha/model.ts';
import { isPresent } from '../ha/round.ts';
import { guestId, guestView, isToRun } from './guestViews.ts';

/** The record to store, or undefined when nothing is to be said or the host is not there to be told. */
export function admit(
  guest: StoredGuest,
  host: HostView | undefined,
  { observer, now }: Pick<View, 'observer' | 'now'>,
): GuestRecord | undefined {
  const placement = guest.status?.placement;
  if (placement === undefined || host === undefined || !isPresent(host)) return undefined;
  const { life } = host.record;
  if (life === undefined || observer.isSuspect(host.name, now)) return undefined;
  const { host: name, epoch } = placement;
  const state = isToRun(guest) ? 'Starting' : 'Stopped';
  const record = guestView(guest)?.record;
  if (record === undefined) return { state, placement: { host: name, epoch, ...life } };
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
