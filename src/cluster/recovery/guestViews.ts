/** Guests as the engine sees them: which are watched, whether they are to run, what is stored of them. Pure. */
import { strategyOf } from '../../api/guest.ts';
import { isProtected } from '../../api/ha.ts';
import { demandOf, nameOf, poolsOf, type StoredGuest } from '../guests.ts';
import type { GuestRecord, GuestView } from '../ha/model.ts';
import { guestRecordOf } from './stored.ts';

/** Id of a guest, over both kinds. */
export function guestId(guest: StoredGuest): string {
  const { kind, namespace, name } = nameOf(guest);
  return `${kind}/${namespace}/${name}`;
}

/** Guests that high availability answers for: declared so and placed; of those that are deleted, the ones it has answered for before. */
export function isWatched(guest: StoredGuest): boolean {
  const { spec, status } = guest;
  return (
    isProtected(spec.ha) && status?.placement !== undefined && (!isDeleted(guest) || status.ha !== undefined)
  );
}

/** Its host removes what it has; when that is lost, another one that reaches its shared storage does. */
export function isDeleted({ metadata }: StoredGuest): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** Whether the guest is to run, by its run strategy and the last request. */
export function isToRun(guest: StoredGuest): boolean {
  if (isDeleted(guest)) return false;
  const { spec, status } = guest;
  const request = status?.runRequest?.action;
  const strategy = strategyOf(spec);
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
  return record === undefined ? undefined : viewWith(guest, record);
}

/** The view the guest would have with this record. */
export function viewWith(guest: StoredGuest, record: GuestRecord): GuestView {
  const { group, priority } = guest.spec.ha ?? {};
  // What is only removed there needs no room, and may be removed by any.
  const isGoing = isDeleted(guest);
  const { cpus, memoryBytes } = isGoing ? { cpus: 0, memoryBytes: 0 } : demandOf(guest);
  return {
    id: guestId(guest),
    uid: guest.metadata.uid,
    version: guest.metadata.resourceVersion,
    record,
    wanted: isToRun(guest)
      ? 'Started'
      : isGoing || guest.spec.ha?.mode !== 'Disabled'
        ? 'Stopped'
        : 'Disabled',
    ...(group === undefined || isGoing ? {} : { group }),
    // Its host starts it again for as long as it lives.
    ...{ maxRestart: Number.POSITIVE_INFINITY, maxRelocate: 0, failback: false },
    ...{ cpus, memoryBytes, liveMigratable: false, priority: priority ?? 0, pools: poolsOf(guest) },
    ...(COUNTED.has(record.state) ? {} : { isRoomKept: true as const }),
  };
}

/** The watched guests, gone through once for all hosts. */
export type GuestIndex = {
  byUid: ReadonlyMap<string, StoredGuest>;
  /** Memory of those that the engine counts itself, by host. */
  countedBytes: ReadonlyMap<string, number>;
};

const COUNTED = new Set(['Starting', 'Started', 'Stopping', 'Fencing', 'Frozen']);

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
