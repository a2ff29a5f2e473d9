/** Which host a guest, or a set that keeps together, goes to: what must hold first, then cost. Pure. */
import { fill } from './evenness.ts';
import type { Ledger } from './ledger.ts';
import { type GuestView, type HostView, isSameLife, type View } from './model.ts';
import { groupOf, type Rules } from './rules.ts';

export type Chooser = {
  /** Why the guest cannot be on this host now, or undefined. `company`: guests that go there with it. */
  refusal(guest: GuestView, host: HostView, company?: readonly GuestView[]): string | undefined;
  /** The best host for all of them, or the reason why there is none. */
  choose(guests: readonly GuestView[], options?: ChooseOptions): { host: string } | { reason: string };
  /** Preference of the host for the guest: the higher the better; hosts outside an unrestricted group come last. */
  preference(guest: GuestView, host: string): number;
  /** How many soft rules of the guest it would break there. */
  discomfort(guest: GuestView, host: string): number;
  /** How often all hosts were gone through so far. */
  searches(): number;
  /** The host is on the lists of the guest and of its set. */
  isAllowed(guest: GuestView, host: string): boolean;
};

export type ChooseOptions = {
  /** Only where nothing else fits. */
  avoid?: ReadonlySet<string>;
  /** Not at all. */
  without?: ReadonlySet<string>;
  /** Of hosts that are equal this one. */
  first?: string;
};

/** What a host outside an unrestricted group counts. */
const OUTSIDE = -1;

/** `objection`: what only the caller knows, such as missing storage. */
export function createChooser(
  view: View,
  ledger: Ledger,
  rules: Rules,
  objection: (guest: GuestView, host: HostView) => string | undefined = () => undefined,
): Chooser {
  const preference = (guest: GuestView, host: string): number => {
    const group = groupOf(guest, view.groups);
    return group === undefined ? 0 : (group.hosts.find(({ name }) => name === host)?.priority ?? OUTSIDE);
  };
  /** Strict together binds the host list of each member on all of them. */
  const isListed = (guest: GuestView, host: string): boolean =>
    rules.set(guest.id).every((id) => {
      const group = groupOf(view.guests.get(id), view.groups);
      return group === undefined || !group.restricted || group.hosts.some(({ name }) => name === host);
    });

  const unfit = new Map<string, string | undefined>();
  /** The same for all guests of a round. */
  const unfitness = (host: HostView): string | undefined => {
    if (!unfit.has(host.name)) unfit.set(host.name, hostRefusal(host, view));
    return unfit.get(host.name);
  };

  const refusal = (
    guest: GuestView,
    host: HostView,
    company: readonly GuestView[] = [],
  ): string | undefined => {
    const unsuited = unfitness(host);
    if (unsuited !== undefined) return unsuited;
    if (!isListed(guest, host.name)) return 'its group does not allow this host';
    const there = ledger.guestsOn(host.name);
    for (const other of rules.apart(guest.id, true)) {
      if (other !== guest.id && (there.has(other) || company.some(({ id }) => id === other)))
        return `keeps apart from ${other}`;
    }
    const isKept = guest.isRoomKept === true && guest.record.placement?.host === host.name;
    let memory = there.has(guest.id) || isKept ? 0 : guest.memoryBytes;
    for (const { id, memoryBytes } of company) if (!there.has(id)) memory += memoryBytes;
    if (memory > host.memoryBytes - ledger.load(host.name).memoryBytes)
      return host.memoryInWords === undefined
        ? 'not enough memory'
        : `not enough memory of ${host.memoryInWords}`;
    return objection(guest, host);
  };

  const refusalOf = (parties: readonly Party[], host: HostView): string | undefined => {
    for (const { guest, company } of parties) {
      const refused = refusal(guest, host, company);
      if (refused !== undefined) return refused;
    }
    return undefined;
  };

  const discomfort = (guest: GuestView, host: string): number => {
    const there = ledger.guestsOn(host);
    let near = 0;
    for (const other of rules.apart(guest.id, false)) if (there.has(other)) near += 1;
    for (const other of rules.likes(guest.id)) if (!there.has(other) && isSomewhere(other)) near += 1;
    return near;
  };
  const isSomewhere = (guest: string): boolean => ledger.hostsOf(guest).size > 0;

  let searches = 0;
  return {
    refusal,
    preference,
    discomfort,
    searches: () => searches,
    isAllowed: isListed,
    choose: (guests, { avoid, without, first } = {}) => {
      searches += 1;
      const reasons = new Map<string, string[]>();
      const parties = partiesOf(guests);
      // Most have neither: of them nothing is to be added up for each host.
      const choosy = guests.filter(({ id }) => rules.apart(id, false).size + rules.likes(id).size > 0);
      const grouped = guests.filter((guest) => groupOf(guest, view.groups) !== undefined);
      let best: { host: string; rank: readonly number[] } | undefined;
      for (const host of view.hosts.values()) {
        const rank = [
          avoid?.has(host.name) ? 1 : 0,
          sum(choosy, (guest) => discomfort(guest, host.name)),
          -sum(grouped, (guest) => preference(guest, host.name)),
          fill(host, ledger, view),
          host.name === first ? 0 : 1,
        ];
        // To be asked is what costs: a host that is no better than the best needs no answer.
        if (best !== undefined && !isLess(rank, best.rank)) continue;
        const refused = without?.has(host.name) ? 'it failed there' : refusalOf(parties, host);
        if (refused === undefined) {
          best = { host: host.name, rank };
          continue;
        }
        const known = reasons.get(refused);
        if (known === undefined) reasons.set(refused, [host.name]);
        else known.push(host.name);
      }
      return best ?? { reason: explain(reasons) };
    },
  };
}

/** A host takes nobody while it is anything but Online. */
function hostRefusal(
  { record, ready, maintenance, shutdown, name }: HostView,
  view: View,
): string | undefined {
  if (record.state !== 'Online') return `the host is ${record.state}`;
  if (maintenance) return 'the host is in maintenance';
  if (!ready) return 'the agent of the host is not ready';
  if (shutdown !== undefined && record.life?.bootID === shutdown.bootID) return 'the host is shutting down';
  if (view.observer.isSuspect(name, view.now)) return 'the host is silent';
  const lease = view.observer.lease(name);
  // A placement is for a life: one in a life that has ended would have to be made anew.
  if (lease !== undefined && !isSameLife(lease, record.life)) return 'the host lives anew';
  return undefined;
}

/** A guest, and who goes there with it. */
type Party = { guest: GuestView; company: readonly GuestView[] };

function partiesOf(guests: readonly GuestView[]): Party[] {
  return guests.map((guest) => ({ guest, company: guests.filter((other) => other !== guest) }));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** Ties keep the first, and hosts come by name. */
function isLess(a: readonly number[], b: readonly number[]): boolean {
  // By index: it is asked for each guest and host, and an iterator takes as long as all else that is weighed.
  for (let index = 0; index < a.length; index += 1) {
    const value = a[index] ?? 0;
    const other = b[index] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}

function explain(reasons: ReadonlyMap<string, readonly string[]>): string {
  if (reasons.size === 0) return 'there are no hosts';
  return [...reasons].map(([reason, hosts]) => `${reason} (${hosts.join(', ')})`).join('; ');
}
