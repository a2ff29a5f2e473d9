/** Who is, or is about to be, on which host in this round: what memory is promised, who keeps whom company. Decisions of the round count at once. */
import { type GuestReport, type GuestView, guardKey, type HostView, isSameLife, type View } from './model.ts';

export type Load = {
  guests: number;
  cpus: number;
  memoryBytes: number;
  usedCpus: number;
  usedMemory: number;
};

export type Ledger = {
  /** Everything promised on the host. */
  load(host: string): Load;
  /** Ids of guests that run, may run, or will run there; a guest that moves counts on both sides. */
  guestsOn(host: string): ReadonlySet<string>;
  /** Where it is placed, goes, or was found in the present life of the host. */
  hostsOf(guest: string): ReadonlySet<string>;
  /** The guest will be there too, or is not there any more. */
  add(guest: GuestView, host: string): void;
  remove(guest: GuestView, host: string): void;
};

/** States in which a guest takes nothing on the host it is placed on. */
const NOT_THERE = new Set(['Recovering', 'Stopped', 'Disabled', 'Error']);

export function createLedger(view: View): Ledger {
  const loads = new Map<string, Load>();
  const on = new Map<string, Set<string>>();
  const where = new Map<string, Set<string>>();
  const loadOf = (host: string): Load => {
    const known = loads.get(host);
    if (known !== undefined) return known;
    const empty = { guests: 0, cpus: 0, memoryBytes: 0, usedCpus: 0, usedMemory: 0 };
    loads.set(host, empty);
    return empty;
  };
  const setOf = (sets: Map<string, Set<string>>, key: string): Set<string> => {
    const known = sets.get(key);
    if (known !== undefined) return known;
    const empty = new Set<string>();
    sets.set(key, empty);
    return empty;
  };
  const count = (guest: GuestView, host: string, sign: 1 | -1): void => {
    const load = loadOf(host);
    load.guests += sign;
    load.cpus += sign * guest.cpus;
    load.memoryBytes += sign * guest.memoryBytes;
    load.usedCpus += sign * (guest.load?.cpus ?? guest.cpus);
    load.usedMemory += sign * (guest.load?.memoryBytes ?? guest.memoryBytes);
  };
  const add = (guest: GuestView, host: string): void => {
    setOf(where, guest.id).add(host);
    reserve(guest, host);
  };
  const reserve = (guest: GuestView, host: string): void => {
    const guests = setOf(on, host);
    if (guests.has(guest.id)) return;
    guests.add(guest.id);
    count(guest, host, 1);
  };

  let isCounted = false;
  /** Not before somebody asks: in most rounds nobody does. */
  const counted = (): void => {
    if (isCounted) return;
    isCounted = true;
    for (const guest of view.guests.values()) {
      const { state, placement, target } = guest.record;
      if (placement !== undefined && !NOT_THERE.has(state)) add(guest, placement.host);
      if (target !== undefined) add(guest, target);
    }
    for (const host of view.hosts.values()) {
      for (const [id, report] of host.reported) {
        const guest = view.guests.get(id);
        if (guest === undefined || report.state === 'Off' || !mayRunStill(guest, report, host)) continue;
        // What a host said in an earlier life of it may be so still, and nobody is to come to it.
        if (host.reportedIn === undefined || isSameLife(host.reportedIn, host.record.life))
          add(guest, host.name);
        else reserve(guest, host.name);
      }
    }
  };
  return {
    load: (host) => {
      counted();
      return loadOf(host);
    },
    guestsOn: (host) => {
      counted();
      return setOf(on, host);
    },
    hostsOf: (guest) => {
      counted();
      return setOf(where, guest);
    },
    add: (guest, host) => {
      counted();
      add(guest, host);
    },
    remove: (guest, host) => {
      counted();
      if (!setOf(on, host).delete(guest.id)) return;
      setOf(where, guest.id).delete(host);
      count(guest, host, -1);
    },
  };
}

/** One whose storage was revoked there is on its way elsewhere, and nobody comes to that host. */
function mayRunStill({ uid }: GuestView, { epoch }: GuestReport, { record }: HostView): boolean {
  const isLeft = record.proof?.covers?.includes(guardKey(uid, epoch)) === true;
  return record.state !== 'Fenced' && record.state !== 'Offline' && !isLeft;
}
