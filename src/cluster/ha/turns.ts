/**
 * Whose turn it is when more is to be done than one round may take: a round stays short, so that Leases are read again before the next guests.
 * Important guests come first and keep their order; one for which nothing could be done lets the others go before it comes again. It is an order
 * alone: what a new leader does not know of it costs time and nothing else.
 */

/** So many guests are decided, or looked at in vain, in one round at most. */
export const GUESTS_A_ROUND = 20;

export type Turns = {
  /** The same, in order, those after the others for which nothing could be done in their turn. */
  order<T>(guests: Iterable<T>, idOf: (guest: T) => string): Iterable<T>;
  /** Nothing could be done for it now. */
  pass(id: string): void;
};

export function createTurns(): Turns {
  const passed = new Set<string>();
  return {
    pass: (id) => void passed.add(id),
    *order(guests, idOf) {
      if (passed.size === 0) {
        yield* guests;
        return;
      }
      const before = new Set(passed);
      const later = [];
      for (const guest of guests) {
        if (before.has(idOf(guest))) later.push(guest);
        else yield guest;
      }
      for (const id of before) passed.delete(id);
      yield* later;
    },
  };
}
