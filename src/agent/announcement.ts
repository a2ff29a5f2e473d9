/** A small announcement between parts of the agent: who listens is told a value, now and in order. */

export type Announcement<T> = {
  tell(value: T): void;
  /** Returns the end of listening. */
  listen(listener: (value: T) => void): () => void;
};

/** Nobody listens yet. */
export function createAnnouncement<T>(): Announcement<T> {
  const listeners = new Set<(value: T) => void>();
  return {
    tell: (value) => {
      for (const listener of [...listeners]) listener(value);
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
