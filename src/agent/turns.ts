/** One operation per guest at a time: who looks after a guest and who moves it take turns, in the order they came. */

export type Turns = {
  /** Runs `work` after everything begun before for this guest. */
  take<T>(id: string, work: () => Promise<T>): Promise<T>;
};

/** Nobody waits. */
export function createTurns(): Turns {
  const lines = new Map<string, Promise<unknown>>();
  return {
    take: <T>(id: string, work: () => Promise<T>) => {
      const turn = (lines.get(id) ?? Promise.resolve()).then(work, work);
      const end: Promise<void> = turn.then(
        () => undefined,
        () => undefined,
      );
      lines.set(id, end);
      void end.then(() => {
        if (lines.get(id) === end) lines.delete(id);
      });
      return turn;
    },
  };
}
