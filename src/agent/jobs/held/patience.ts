/** How long work under way waits for what may come back: a guest is not to be locked for ever for a host that does not. */

/** Two refusals that are further apart than this have something between them that went on. An attempt to reach a host that is off takes two minutes. */
const APART_MS = 180_000;

export type Patience = {
  /** It is held up at `now`, monotonic milliseconds; true: for as long as `limitMs` by now. */
  isOver(uid: string, now: number, limitMs: number): boolean;
  forget(uid: string): void;
};

export function createPatience(): Patience {
  const heldUp = new Map<string, { since: number; last: number }>();
  return {
    isOver: (uid, now, limitMs) => {
      const before = heldUp.get(uid);
      const since = before !== undefined && now - before.last <= APART_MS ? before.since : now;
      heldUp.set(uid, { since, last: now });
      return now - since >= limitMs;
    },
    forget: (uid) => void heldUp.delete(uid),
  };
}
