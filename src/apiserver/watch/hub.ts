/**
 * The hub hands each durable change to the watchers of its resource. A watcher that keeps up gets it at once; one that does
 * not is only told later, and pulls what it missed from the ring or the store: slowness costs the server no memory.
 */
import type { Change, Store } from '../../store/contract.ts';
import { type WatchEvent, watchEvent } from './events.ts';
import { createRing, type RingLimits } from './ring.ts';

/** Somebody who follows the changes below a prefix. */
export type Follower = { prefix: string; onEvent: (event: WatchEvent) => void };

/** The hub. */
export type Hub = {
  /** Everything up to this revision has been handed out. */
  revision(): number;
  /** Starts handing out; the returned function ends it. */
  follow(follower: Follower): () => void;
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
const storeBatch = 500;

/**
 * Follows the store. `afterAnswers` calls once who made a change has been answered (setImmediate): he waits for that, watchers wait for
 * nothing in particular.
 */
export function createHub(
  store: Store,
  limits: RingLimits = defaultRingLimits,
  afterAnswers: (run: () => void) => void = setImmediate,
): Hub {
  const followers = new Map<string, Set<Follower>>();
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
      for (const follower of followers.get(prefixOfKey(change.key)) ?? []) follower.onEvent(event);
    }
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
        if (peers.size === 0 && followers.get(follower.prefix) === peers) followers.delete(follower.prefix);
      };
    },
    since: (revision, prefix) => {
      const recent = ring.after(revision);
      if (recent !== undefined) {
        return { events: recent.filter((event) => event.key.startsWith(prefix)), upTo: handedOut };
      }
      const changes = store.changesAfter(revision, storeBatch);
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
