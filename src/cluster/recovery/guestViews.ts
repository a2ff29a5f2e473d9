/** Guests as the engine sees them: which are watched, whether they are to run, what is stored of them. Pure. */
import { isProtected } from '../../api/ha.ts';
import { demandOf, nameOf, type StoredGuest } from '../guests.ts';
import type { GuestView } from '../ha/model.ts';
import { guestRecordOf } from './stored.ts';

/** Id of a guest, over both kinds. */
export function guestId(guest: StoredGuest): string {
  const { kind, namespace, name } = nameOf(guest);
  return `${kind}/${namespace}/${name}`;
}

/** Guests that high availability answers for: declared so, placed, and not about to be removed. */
export function isWatched({ metadata, spec, status }: StoredGuest): boolean {
  return isProtected(spec.ha) && metadata.deletionTimestamp === undefined && status?.placement !== undefined;
}

/** Whether the guest is to run, by its run strategy and the last request. */
export function isToRun({ spec, status }: StoredGuest): boolean {
  const request = status?.runRequest?.action;
  const strategy = spec.runStrategy ?? 'Always';
  switch (strategy) {
    case 'Always':
      return true;
    case 'RerunOnFailure':
      return request !== 'Stop';
    case 'Manual':
      return request === 'Start';
    case 'Halted':
      return false;
    default:
      return strategy satisfies never;
  }
}

/** Objects of informers are never changed: ten thousand guests that rest are not looked at anew each round. */
const views = new WeakMap<StoredGuest, { view: GuestView | undefined }>();

/** The view of a guest of which something is stored; `undefined` until it has been given its host's life. */
export function guestView(guest: StoredGuest): GuestView | undefined {
  const known = views.get(guest) ?? { view: viewOf(guest) };
  views.set(guest, known);
  return known.view;
}

function viewOf(guest: StoredGuest): GuestView | undefined {
  const record = guestRecordOf(guest.status);
  if (record === undefined) return undefined;
  const { group, priority } = guest.spec.ha ?? {};
  const { cpus, memoryBytes } = demandOf(guest);
  return {
    id: guestId(guest),
    uid: guest.metadata.uid,
    version: guest.metadata.resourceVersion,
    record,
    wanted: isToRun(guest) ? 'Started' : 'Stopped',
    ...(group === undefined ? {} : { group }),
    // Its host starts it again for as long as it lives.
    ...{ maxRestart: Number.POSITIVE_INFINITY, maxRelocate: 0, failback: false },
    ...{ cpus, memoryBytes, liveMigratable: false, priority: priority ?? 0 },
  };
}

/** The watched guests, gone through once for all hosts. */
export type GuestIndex = {
  byUid: ReadonlyMap<string, StoredGuest>;
  /** Memory of those that the engine counts itself, by host. */
  countedBytes: ReadonlyMap<string, number>;
};

const COUNTED = new Set(['Starting', 'Started', 'Stopping', 'Fencing']);

export function indexGuests(guests: Iterable<StoredGuest>): GuestIndex {
  const byUid = new Map<string, StoredGuest>();
  const countedBytes = new Map<string, number>();
  for (const guest of guests) {
    byUid.set(guest.metadata.uid, guest);
    const { record, memoryBytes } = guestView(guest) ?? {};
    const host = record?.placement?.host;
    if (host === undefined || memoryBytes === undefined || !COUNTED.has(record?.state ?? '')) continue;
    countedBytes.set(host, (countedBytes.get(host) ?? 0) + memoryBytes);
  }
  return { byUid, countedBytes };
}
