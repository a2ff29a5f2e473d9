/** Other objects' changes as reasons to look at ours. */
import type { KubeObject } from '../api/meta.ts';
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
