/** One operation per guest at a time: who looks after a guest and who moves it take turns, in the order they came. */

export type Turns = {
  /** Runs `work` after everything begun before for this guest. */
  take<T>(id: string, work: () => Promise<T>): Promise<T>;
};

/** Nobody waits. `around`: each piece of work is done within it. */
export function createTurns(
  around: <T>(id: string, work: () => Promise<T>) => Promise<T> = (_, work) => work(),
): Turns {
  const lines = new Map<string, Promise<unknown>>();
  return {
    take: <T>(id: string, work: () => Promise<T>) => {
      const begin = () => around(id, work);
      const turn = (lines.get(id) ?? Promise.resolve()).then(begin, begin);
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
