/** One informer per kind and selection in a process, however many ask for it. */
import type { KindRef, KubeObject } from '../api/meta.ts';
import { apiVersionOf } from '../api/meta.ts';
import type { World } from '../base/world.ts';
import type { Client, Informer, InformerOptions, Informers } from './contract.ts';
import type { LocalCopy } from './informer.ts';
import { createLocalCopy, orAborted } from './informer.ts';
import { reflect } from './reflector.ts';

type Shared = { copy: LocalCopy<KubeObject>; run(signal: AbortSignal): void };

function nameOf(kind: KindRef, options: Omit<InformerOptions<never>, 'indexes'>): string {
  const { namespace = '', labelSelector = '', fieldSelector = '' } = options;
  return JSON.stringify([apiVersionOf(kind), kind.plural, namespace, labelSelector, fieldSelector]);
}

/** Makes the informers of one client. */
export function createInformers(client: Client, world: Pick<World, 'clock' | 'random' | 'log'>): Informers {
  const shared = new Map<string, Shared>();
  let running: AbortSignal | undefined;

  const make = <T extends KubeObject>(kind: KindRef<T>, selection: InformerOptions<T>): Shared => {
    const copy = createLocalCopy(kind, world.log);
    const run = (signal: AbortSignal): void => {
      void reflect({ client, kind, selection, sink: copy.sink, world }, signal);
    };
    if (running !== undefined) run(running);
    return { copy: copy as unknown as LocalCopy<KubeObject>, run };
  };

  return {
    informer: <T extends KubeObject>(kind: KindRef<T>, options: InformerOptions<T> = {}) => {
      const name = nameOf(kind, options);
      const entry = shared.get(name) ?? make(kind, options);
      shared.set(name, entry);
      const copy = entry.copy as unknown as LocalCopy<T>;
      copy.addIndexes(options.indexes ?? {});
      return copy.informer satisfies Informer<T>;
    },
    start: (signal) => {
      if (running !== undefined) return;
      running = signal;
      for (const { run } of shared.values()) run(signal);
    },
    synced: async (signal) => {
      const all = [...shared.values()].map(({ copy }) => copy.informer.synced());
      await orAborted(
        Promise.all(all).then(() => {}),
        signal,
      );
    },
  };
}
