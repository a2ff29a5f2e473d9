/** What all parts of one round share: the view, who is where, and the rules; and how a guest's next record is made. */
import { guardedUid } from '../../api/keeperLease.ts';
import { type Chooser, createChooser } from './choose.ts';
import { createLedger, type Ledger } from './ledger.ts';
import type {
  EngineFlaw,
  GuestRecord,
  GuestReport,
  GuestState,
  GuestView,
  HostView,
  Placement,
  View,
} from './model.ts';
import { isSameLife, NO_LIFE } from './model.ts';
import { createRules, hostLists, type Rules } from './rules.ts';
import { moveGuest } from './states.ts';

export type Round = {
  view: View;
  ledger: Ledger;
  rules: Rules;
  chooser: Chooser;
  /** Guests by the host they are placed on. */
  guestsOn: ReadonlyMap<string, GuestView[]>;
  /** Hosts whose last Lease lists this guest, by its uid, under any epoch. */
  listing: (uid: string) => ReadonlySet<string>;
  /** Hosts on which guests were decided to start in this round, by guest: where a guest was before says nothing of that. */
  starting: Map<string, string>;
  flaw: EngineFlaw | undefined;
};

/** A guest's next record and why; undefined: it stays. */
export type Next = { record: GuestRecord; reason: string } | undefined;

export type Objection = (guest: GuestView, host: HostView) => string | undefined;

export function beginRound(view: View, flaw?: EngineFlaw, objection?: Objection): Round {
  const guestsOn = new Map<string, GuestView[]>();
  for (const guest of view.guests.values()) {
    const host = guest.record.placement?.host;
    if (host === undefined) continue;
    const known = guestsOn.get(host);
    if (known === undefined) guestsOn.set(host, [guest]);
    else known.push(guest);
  }
  const ledger = createLedger(view);
  const rules = createRules(view.rules, hostLists(view));
  const chooser = createChooser(view, ledger, rules, objection);
  return {
    ...{ view, ledger, rules, chooser, guestsOn, flaw },
    ...{ listing: createListing(view), starting: new Map() },
  };
}

const NOWHERE: ReadonlySet<string> = new Set();

/** Made when somebody asks for the first time: in most rounds nobody does. */
function createListing({ hosts, observer }: View): Round['listing'] {
  let listed: Map<string, Set<string>> | undefined;
  return (uid) => {
    listed ??= new Map();
    if (listed.size === 0)
      for (const host of hosts.keys())
        for (const key of observer.lease(host)?.guarded ?? []) {
          const owner = guardedUid(key);
          listed.set(owner, (listed.get(owner) ?? new Set()).add(host));
        }
    return listed.get(uid) ?? NOWHERE;
  };
}

export function hostOf({ record }: GuestView, { view }: Round): HostView | undefined {
  return record.placement === undefined ? undefined : view.hosts.get(record.placement.host);
}

/** What the guest's host says of it in its present life, if it speaks of this placement. */
export function reportOf(guest: GuestView, host: HostView | undefined): GuestReport | undefined {
  const { placement } = guest.record;
  if (host === undefined || placement === undefined) return undefined;
  const report = host.reported.get(guest.id);
  return report !== undefined && report.epoch >= placement.epoch && isSameLife(host.reportedIn, placement)
    ? report
    : undefined;
}

/** The host lives, and has said in its present life, which is not the placement's, that nothing of the guest runs. The placement's is known. */
export function isGoneWithItsLife(guest: GuestView, host: HostView): boolean {
  const { placement } = guest.record;
  if (placement === undefined || isSameLife(placement, NO_LIFE) || !isPresent(host)) return false;
  if (isSameLife(placement, host.record.life) || !isSameLife(host.reportedIn, host.record.life)) return false;
  return (host.reported.get(guest.id)?.state ?? 'Off') === 'Off';
}

export function isPresent({ record }: HostView): boolean {
  return record.state === 'Online' || record.state === 'Maintenance';
}

/** It has just come back, and takes guests in a moment. */
export function isSettling({ name, ready, record }: HostView, { view }: Round): boolean {
  const lease = view.observer.lease(name);
  const isAnew = lease !== undefined && !isSameLife(lease, record.life);
  return record.state === 'Online' && (!ready || isAnew || view.observer.isSuspect(name, view.now));
}

/** Where a process of the guest runs, by the word of a host that is present. */
export function foundOn(
  guest: GuestView,
  { view }: Round,
): { host: HostView; report: GuestReport } | undefined {
  for (const host of view.hosts.values()) {
    const report = host.reported.get(guest.id);
    if (report?.state !== 'Running' || (report.uid ?? guest.uid) !== guest.uid) continue;
    if (isPresent(host) && isSameLife(host.reportedIn, host.record.life)) return { host, report };
  }
  return undefined;
}

/** The next epoch of the guest on a host, in the life it has now. */
export function placeOn(guest: GuestView, host: HostView, epoch?: number): Placement | undefined {
  const { life } = host.record;
  if (life === undefined) return undefined;
  return { host: host.name, ...life, epoch: epoch ?? (guest.record.placement?.epoch ?? 0) + 1 };
}

/** To start there under a new epoch; counts in the ledger at once. */
export function startOn(
  guest: GuestView,
  host: HostView,
  round: Round,
  reason: string,
  change: Partial<GuestRecord> = {},
): Next {
  const placement = placeOn(guest, host);
  if (placement === undefined) return undefined;
  round.ledger.add(guest, host.name);
  round.starting.set(guest.id, host.name);
  return { record: moveGuest(guest.record, 'Starting', { ...change, placement }), reason };
}

/** The same state with another reason to wait. */
export function waitFor(guest: GuestView, reason: string): Next {
  return guest.record.reason === reason ? undefined : { record: { ...guest.record, reason }, reason };
}

/** The guest in its next state. */
export function to(
  record: GuestRecord,
  state: GuestState,
  reason: string,
  change: Partial<GuestRecord> = {},
): Next {
  return { record: moveGuest(record, state, change), reason };
}

/** It is not to run any more. */
export function isLeaving({ wanted }: GuestView): boolean {
  return wanted === 'Stopped' || wanted === 'Disabled';
}
