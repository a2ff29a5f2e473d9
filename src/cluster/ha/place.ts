/** Where a guest that runs nowhere is started: on its own host, with those it keeps together with, or where it fits best. */
import { guardedUid } from '../../api/keeperLease.ts';
import type { GuestView, HostView, Life, Proof } from './model.ts';
import { guardKey, isSameLife } from './model.ts';
import { provesEnd } from './proofs.ts';
import { hostOf, isPresent, type Next, type Round, startOn, to, waitFor } from './round.ts';
import { settled } from './states.ts';

/** States of guests that have a place others of their set must come to. */
const SETTLED = new Set(['Starting', 'Started', 'Stopping', 'Migrating', 'Relocating', 'Fencing', 'Frozen']);

/** States that a guest is left in while it is wanted so. */
const LEFT_ALONE = new Set(['Ignored', 'Disabled', 'Stopped']);

export type PlaceOptions = {
  /** Hosts it goes to only where nothing else takes it. */
  avoid?: ReadonlySet<string>;
  /** Rather on the host it was on. */
  stays: boolean;
  /** Nowhere else: high availability is paused, and leaves guests to their hosts. */
  atHome?: boolean;
};

/** Starts the guest, or says why it waits. The caller knows that nothing of it runs. */
export function start(guest: GuestView, round: Round, why: string, options: PlaceOptions): Next {
  const choice = chooseFor(guest, round, options);
  if (options.atHome === true && !('host' in choice && choice.host === hostOf(guest, round)))
    return waitFor(guest, 'Paused');
  if ('reason' in choice) return waitFor(guest, `NoHost: ${choice.reason}`);
  return startOn(guest, choice.host, round, `${why}: ${choice.host.name}`);
}

function chooseFor(
  guest: GuestView,
  round: Round,
  { avoid = new Set(), stays, atHome = false }: PlaceOptions,
): { host: HostView } | { reason: string } {
  const { view, chooser } = round;
  const anchor = anchorOf(guest, round);
  if (anchor !== undefined) {
    const refused = chooser.refusal(guest, anchor);
    return refused === undefined
      ? { host: anchor }
      : { reason: `with its set on ${anchor.name}: ${refused}` };
  }
  const heard = heardAgain(guest, round);
  if (heard !== undefined) return { reason: `${heard} has just been heard again` };
  const set = newcomers(guest, round);
  const own = hostOf(guest, round) ?? view.hosts.get(guest.declaredHost ?? '');
  const company = set.filter((other) => other !== guest);
  if (
    stays &&
    own !== undefined &&
    !avoid.has(own.name) &&
    chooser.refusal(guest, own, company) === undefined
  ) {
    // A group orders: own host only while no better class is free.
    if (atHome || !guest.failback || isBest(guest, own, round)) return { host: own };
  }
  const choice = chooser.choose(set, { avoid });
  if ('reason' in choice) return choice;
  const host = view.hosts.get(choice.host);
  return host === undefined ? { reason: 'there are no hosts' } : { host };
}

/**
 * A host of others of its set that is on record as Suspect and has renewed since: it is there in the next round, and nobody starts apart from them in
 * this one.
 */
function heardAgain({ id }: GuestView, { rules, view }: Round): string | undefined {
  const { observer, now } = view;
  for (const other of rules.set(id)) {
    const { state, placement } = view.guests.get(other)?.record ?? {};
    const host = view.hosts.get(placement?.host ?? '');
    if (other === id || state === undefined || !SETTLED.has(state) || host?.record.state !== 'Suspect')
      continue;
    if (observer.hasRenewed(host.name) && !observer.isSuspect(host.name, now)) return host.name;
  }
  return undefined;
}

function isBest(guest: GuestView, own: HostView, { chooser }: Round): boolean {
  const choice = chooser.choose([guest]);
  return 'reason' in choice || chooser.preference(guest, choice.host) <= chooser.preference(guest, own.name);
}

/** Where members of its set already are, or are about to be, those decided in this round included: on hosts that are there. */
function anchorOf(guest: GuestView, round: Round): HostView | undefined {
  const { rules, view, ledger } = round;
  let best: { host: HostView; weight: number } | undefined;
  for (const id of rules.set(guest.id)) {
    const other = view.guests.get(id);
    if (other === undefined || other.id === guest.id) continue;
    const { state, target, placement } = other.record;
    const on = ledger.hostsOf(id);
    const stored = SETTLED.has(state) ? [target, placement?.host].filter((name) => on.has(name ?? '')) : [];
    // What is decided in this round goes before what is stored: two that come to each other would pass by.
    const places = [...stored, ...[...on].reverse()].flatMap((name) => view.hosts.get(name ?? '') ?? []);
    const host = places.find(isPresent);
    if (host === undefined) continue;
    const weight = round.starting.get(id) === host.name ? 3 : weightOf(other, host);
    // Nobody waits for one that is left alone.
    const isVain = weight === 1 && round.chooser.refusal(guest, host) !== undefined;
    if (!isVain && weight > (best?.weight ?? 0)) best = { host, weight };
  }
  return best?.host;
}

/** One that runs is joined rather than one that has to be placed anew itself, and that rather than one that is left alone and comes to nobody. */
function weightOf(
  { record: { state, placement }, wanted }: GuestView,
  { name, record }: HostView,
): 1 | 2 | 3 {
  // One that was left alone and is wanted again is adopted in this very round; one that did not end when it was stopped runs on, by itself, and of one
  // that is off no more than a job does.
  if (state === 'Error' || (LEFT_ALONE.has(state) && wanted === state)) return 1;
  return placement?.host === name && !isSameLife(placement, record.life) ? 2 : 3;
}

/** Those of its set that have no place yet either: they fit together or not at all. */
function newcomers(guest: GuestView, { rules, view }: Round): GuestView[] {
  const others = rules
    .set(guest.id)
    .flatMap((id) => view.guests.get(id) ?? [])
    .filter((other) => other !== guest && other.wanted === 'Started' && !SETTLED.has(other.record.state));
  return [guest, ...others.filter(({ record }) => record.state !== 'Error')];
}

/** A start there has failed for good: another host, or another round here if it may still be here; else it waits for a host that takes it. */
export function startElsewhere(guest: GuestView, host: HostView, round: Round): Next {
  const tried = [...new Set([...(guest.record.tried ?? []), host.name])];
  const failedOn = [...new Set([...(guest.record.failedOn ?? []), host.name])];
  const other = elsewhere(guest, new Set(tried), round);
  const refused = other === undefined ? round.chooser.refusal(guest, host) : undefined;
  if (refused !== undefined) return waitFor(guest, `NoHost: it failed on ${host.name}, and there ${refused}`);
  round.ledger.remove(guest, host.name);
  const relocations = (guest.record.relocations ?? 0) + 1;
  return startOn(guest, other ?? host, round, 'relocated after failed starts', {
    tried,
    relocations,
    failedOn,
  });
}

/** Where its set already is, or is about to be, and nowhere else; without a set any host that it has not failed on. */
function elsewhere(guest: GuestView, tried: ReadonlySet<string>, round: Round): HostView | undefined {
  const { chooser, rules, view } = round;
  const anchor = anchorOf(guest, round);
  if (anchor !== undefined)
    return tried.has(anchor.name) || chooser.refusal(guest, anchor) !== undefined ? undefined : anchor;
  const set = rules.set(guest.id).flatMap((id) => view.guests.get(id) ?? []);
  if (set.some((other) => other !== guest && SETTLED.has(other.record.state))) return undefined;
  const choice = chooser.choose([guest], { without: tried });
  return 'host' in choice ? view.hosts.get(choice.host) : undefined;
}

/**
 * Nothing of a guest that was stopped can run, nor any job on its volumes: every host that had it said so in the life it was last seen in, and does
 * not list it, or is proven, or lives anew. What a host has begun is in its Lease before it is in its report.
 */
export function isStoppedForSure(guest: GuestView, { view, listing, flaw }: Round): boolean {
  if (flaw === 'JobsUncounted') return true;
  for (const host of view.hosts.values()) {
    const { proof, life, state } = host.record;
    const report = host.reported.get(guest.id);
    if (report !== undefined && report.state !== 'Off') {
      const isProven = provesEnd(proof, host.reportedIn, flaw) && proof?.kind !== 'SelfFence';
      const isReborn = life !== undefined && life.bootID !== host.reportedIn?.bootID;
      const isCutOff = writesNothing([guardKey(guest.uid, report.epoch)], proof, host.reportedIn);
      if (!isProven && !isReborn && !isCutOff && state !== 'Offline') return false;
    }
    // The last Lease is what a self-fence covers, so that any proof of its life will do.
    const lease = listing(guest.uid).has(host.name) ? view.observer.lease(host.name) : undefined;
    if (lease === undefined || provesEnd(proof, lease, flaw) || state === 'Offline') continue;
    const keys = [...lease.guarded].filter((key) => guardedUid(key) === guest.uid);
    if (!writesNothing(keys, proof, lease)) return false;
  }
  return true;
}

/** All storage of these was revoked from the host: what of them goes on there, a job too, writes nothing. */
function writesNothing(keys: readonly string[], proof: Proof | undefined, life: Life | undefined): boolean {
  if (proof?.kind !== 'StorageRevoked' || !isSameLife(proof, life)) return false;
  return keys.every((key) => proof.covers?.includes(key));
}

/** It runs there already, whoever began it: the record says so. */
export function adopt({ record }: GuestView, host: HostView, epoch: number): Next {
  const { life } = host.record;
  if (life === undefined) return undefined;
  // Never back: after a restore of the API it may have been claimed under one that it does not have yet.
  const latest = Math.max(epoch, record.placement?.epoch ?? 0);
  const placement = { host: host.name, ...life, epoch: latest };
  return to(settled(record), 'Started', 'adopted where it runs', { placement });
}
