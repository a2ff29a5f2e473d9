/**
 * The hub hands each durable change to the watchers of its resource. A watcher that keeps up gets it at once; one that does
 * not is only told later, and pulls what it missed from the ring or the store: slowness costs the server no memory. What very
 * many follow goes out in rounds, between which the event loop looks at the network, so that nothing waits for all of them.
 */
import type { Change, Store } from '../../store/contract.ts';
import { type WatchEvent, watchEvent } from './events.ts';
import { createRing, type RingLimits } from './ring.ts';

/** Somebody who follows the changes below a prefix. */
export type Follower = {
  prefix: string;
  onEvent: (event: WatchEvent) => void;
  /** Of one that can wait: all others are told at once, and have to be few. */
  waits?: Waits;
};

/** How a follower is made to wait. */
type Waits = Waiter & {
  /** Takes no events until `resume`; false when it took none before, for reasons of its own. */
  pause(): boolean;
};

/** Somebody who goes on in a later round. */
export type Waiter = {
  /** Takes what it missed, as long as the round has room. */
  resume(): void;
};

/** The hub. */
export type Hub = {
  /** Everything up to this revision has been handed out. */
  revision(): number;
  /** Starts handing out; the returned function ends it. */
  follow(follower: Follower): () => void;
  /** Takes the place of one event in the present round; false when the round is full. */
  take(): boolean;
  /** Resumes in a round to come, in the order of asking. */
  wait(waiter: Waiter): void;
  /**
   * Some of the events after a revision, oldest first, with the revision up to which that is all. Throws CompactedError
   * when the store has forgotten them.
   */
  since(revision: number, prefix: string): { events: WatchEvent[]; upTo: number };
  /** Hands out at once what waits for the answers: for a watch that ends now. */
  settle(): void;
  close(): void;
};

/** Enough for a few minutes of a small cluster; beyond that the store's history serves. */
export const defaultRingLimits: RingLimits = { events: 4096, bytes: 16 * 1024 * 1024 };
/** Events found at once for somebody who catches up: some more than he takes before he has to wait for his client again. */
const batch = 8;
/** Events handed out in one round: each takes some ten microseconds to write, and a few times that where it has to be looked into. */
const perRound = 64;

/**
 * Follows the store. `afterAnswers` calls once who made a change has been answered (setImmediate): he waits for that, watchers wait for
 * nothing in particular. `nextRound` calls once the event loop has looked at the network.
 */
export function createHub(
  store: Store,
  limits: RingLimits = defaultRingLimits,
  afterAnswers: (run: () => void) => void = setImmediate,
  nextRound: (run: () => void) => void = setImmediate,
): Hub {
  const followers = new Map<string, Set<Follower>>();
  const paused = new Set<Waiter>();
  let left = perRound;
  let scheduled = false;
  const ring = createRing(limits, store.revision());
  let handedOut = store.revision();
  let waiting: Change[] = [];

  function handOut(): void {
    const changes = waiting;
    waiting = [];
    for (const change of changes) {
      const event = watchEvent(change);
      ring.push(event);
      handedOut = change.revision;
      for (const follower of followers.get(prefixOfKey(change.key)) ?? []) tell(follower, event);
    }
  }

  function tell(follower: Follower, event: WatchEvent): void {
    const { waits } = follower;
    if (take() || waits === undefined) follower.onEvent(event);
    else if (waits.pause()) paused.add(waits);
  }

  function take(): boolean {
    schedule();
    if (left === 0) return false;
    left--;
    return true;
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    nextRound(() => {
      scheduled = false;
      left = perRound;
      for (const follower of paused) {
        if (left === 0) break;
        paused.delete(follower);
        follower.resume();
      }
      if (paused.size > 0) schedule();
    });
  }

  const unsubscribe = store.subscribe((changes) => {
    const isFirst = waiting.length === 0;
    waiting.push(...changes);
    if (isFirst) afterAnswers(handOut);
  });

  return {
    revision: () => handedOut,
    follow: (follower) => {
      const peers = followers.get(follower.prefix) ?? new Set();
      followers.set(follower.prefix, peers.add(follower));
      return () => {
        peers.delete(follower);
        if (follower.waits !== undefined) paused.delete(follower.waits);
        if (peers.size === 0 && followers.get(follower.prefix) === peers) followers.delete(follower.prefix);
      };
    },
    take,
    wait: (waiter) => {
      paused.add(waiter);
      schedule();
    },
    since: (revision, prefix) => {
      const recent = ring.after(revision, batch);
      if (recent !== undefined) {
        const upTo = recent.length < batch ? handedOut : (recent[recent.length - 1]?.revision ?? handedOut);
        return { events: recent.filter((event) => event.key.startsWith(prefix)), upTo };
      }
      const changes = store.changesAfter(revision, batch);
      const upTo = changes[changes.length - 1]?.revision ?? handedOut;
      return { events: changes.filter(({ key }) => key.startsWith(prefix)).map(watchEvent), upTo };
    },
    settle: handOut,
    close: unsubscribe,
  };
}

/** `/registry/<group>/<plural>/` of a key. */
function prefixOfKey(key: string): string {
  const plural = key.indexOf('/', '/registry/'.length);
  return key.slice(0, key.indexOf('/', plural + 1) + 1);
}
