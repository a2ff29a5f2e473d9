/** The guests a keeper guards: which the Lease lists, who waits for that, and who leaves once it lists them no more. */
import type { Life } from './contract.ts';

/** `stated`: a renewal that lists it was sent, acknowledged or not: from then on somebody may count on its end. */
type Guard = { id: string; leaving: boolean; stated: boolean };
type Waiter = {
  key: string;
  wants: 'Listed' | 'Gone';
  resolve(life: Life): void;
  reject(error: Error): void;
};

export type Guards = {
  /** Control groups of all that is killed at the deadline, leaving ones included. */
  ids(): string[];
  entries(): [key: string, id: string][];
  /** Something is to be dead at the deadline. */
  isBound(): boolean;
  /** Somebody waits for a renewal. */
  isAwaited(): boolean;
  add(key: string, id: string): Promise<Life>;
  drop(key: string): Promise<Life>;
  /** What the renewal that is now sent lists: by key the control group. */
  listing(): Record<string, string>;
  /** That renewal was acknowledged. Returns the groups that are guarded by an acknowledged Lease for the first time. */
  acknowledged(listed: Readonly<Record<string, string>>, life: Life): string[];
  /** All of them are dead, or nobody's concern any more. */
  clear(): void;
};

export function createGuards(before: readonly (readonly [key: string, id: string])[]): Guards {
  const guards = new Map<string, Guard>(
    before.map(([key, id]) => [key, { id, leaving: false, stated: true }]),
  );
  let waiters: Waiter[] = [];
  const wait = (key: string, wants: Waiter['wants']): Promise<Life> =>
    new Promise((resolve, reject) => void waiters.push({ key, wants, resolve, reject }));

  return {
    ids: () => [...new Set([...guards.values()].flatMap(({ id, stated }) => (stated ? [id] : [])))],
    entries: () => [...guards].map(([key, { id }]) => [key, id]),
    isBound: () => [...guards.values()].some(({ stated }) => stated),
    isAwaited: () => waiters.length > 0,
    add: (key, id) => {
      guards.set(key, { id, leaving: false, stated: guards.get(key)?.stated ?? false });
      return wait(key, 'Listed');
    },
    drop: (key) => {
      const guard = guards.get(key);
      if (guard !== undefined) guard.leaving = true;
      return wait(key, 'Gone');
    },
    listing: () => {
      const listed = [...guards].filter(([, { leaving }]) => !leaving);
      for (const [, guard] of listed) guard.stated = true;
      return Object.fromEntries(listed.map(([key, { id }]) => [key, id]));
    },
    acknowledged: (listed, life) => {
      for (const [key, { leaving }] of guards) if (leaving && !(key in listed)) guards.delete(key);
      const served = waiters.filter(({ key, wants }) => key in listed === (wants === 'Listed'));
      waiters = waiters.filter((waiter) => !served.includes(waiter));
      const fresh = served.flatMap(({ key, wants }) => (wants === 'Listed' ? (listed[key] ?? []) : []));
      for (const { resolve } of served) resolve(life);
      return fresh;
    },
    clear: () => {
      guards.clear();
      const lost = waiters;
      waiters = [];
      for (const { reject } of lost) reject(new Error('the host guards nothing any more'));
    },
  };
}
