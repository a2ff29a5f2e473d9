/** Other objects' changes as reasons to look at ours. */
import type { KubeObject } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import type { Informer, InformerChange } from '../client/contract.ts';
import type { Trigger } from './contract.ts';

/** Each change in `informer` requeues the keys that `map` names for it. */
export function trigger<T extends KubeObject>(
  informer: Informer<T>,
  map: (change: InformerChange<T>) => readonly string[],
): Trigger {
  return {
    kind: informer.kind,
    subscribe: (enqueue) =>
      informer.onChange((change) => {
        for (const key of map(change)) enqueue(key);
      }),
  };
}

/** The same reasons, but for one key only so often: what comes sooner after the last is told when the time is over, once. */
export function atMostEvery(milliseconds: number, clock: Clock, often: Trigger): Trigger {
  return {
    ...often,
    subscribe: (enqueue) => {
      const resting = new Map<string, { again: boolean; cancel: () => void }>();
      const tell = (key: string): void => {
        const rest = { again: false, cancel: clock.after(milliseconds, () => wake(key)) };
        resting.set(key, rest);
        enqueue(key);
      };
      const wake = (key: string): void => {
        const again = resting.get(key)?.again;
        resting.delete(key);
        if (again === true) tell(key);
      };
      const stop = often.subscribe((key) => {
        const rest = resting.get(key);
        if (rest === undefined) tell(key);
        else rest.again = true;
      });
      return () => {
        stop();
        for (const { cancel } of resting.values()) cancel();
      };
    },
  };
}
