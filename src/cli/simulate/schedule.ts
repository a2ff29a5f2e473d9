/** Virtual time: what is due happens in order of time, and of asking where times are equal. Nothing else moves the clock. */

export type Schedule = {
  /** Milliseconds since the run began. */
  now(): number;
  after(ms: number, run: () => void): void;
  /** Runs what is due until `untilMs`; `each` is called after every step and ends the run by returning false. */
  run(untilMs: number, each: () => boolean): void;
};

type Entry = { at: number; order: number; run: () => void };

export function createSchedule(): Schedule {
  const heap: Entry[] = [];
  let now = 0;
  let order = 0;
  const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  const push = (entry: Entry): void => {
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = entry;
  };
  const pop = (): Entry | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const [left, right] = [heap[2 * index + 1], heap[2 * index + 2]];
      const below =
        right !== undefined && left !== undefined && isBefore(right, left) ? 2 * index + 2 : 2 * index + 1;
      const child = heap[below];
      if (child === undefined || !isBefore(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
    return first;
  };

  return {
    now: () => now,
    after: (ms, run) => push({ at: now + Math.max(0, ms), order: order++, run }),
    run: (untilMs, each) => {
      for (let next = heap[0]; next !== undefined && next.at <= untilMs; next = heap[0]) {
        pop();
        now = next.at;
        next.run();
        if (!each()) return;
      }
      now = untilMs;
    },
  };
}
