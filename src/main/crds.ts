/** Installs the kinds on an embedded API server, by server-side apply, and waits until they are served. */
import { setMaxListeners } from 'node:events';
import { CustomResourceDefinition } from '../api/core.ts';
import { customResourceDefinition } from '../api/crd.ts';
import { kinds } from '../api/registry.ts';
import type { Clock } from '../base/clock.ts';
import type { Client } from '../client/contract.ts';

/** Applies all definitions; resolves when each is Established. Rejects with ApiError, or after 10 s. */
export async function installDefinitions(client: Client, clock: Clock, signal: AbortSignal): Promise<void> {
  // One request for each kind listens to it at the same time: more than Node takes for a leak.
  setMaxListeners(0, signal);
  const applied = await Promise.all(
    kinds.map((kind) =>
      client.apply(
        CustomResourceDefinition,
        customResourceDefinition(kind) as unknown as CustomResourceDefinition,
        {
          force: true,
          signal,
        },
      ),
    ),
  );
  const deadline = clock.monotonic() + 10_000;
  for (let definition of applied) {
    while (!isEstablished(definition)) {
      if (clock.monotonic() > deadline)
        throw new Error(`${definition.metadata.name} was not established within 10 s`);
      await clock.sleep(20, signal);
      definition = await client.get(CustomResourceDefinition, { name: definition.metadata.name }, { signal });
    }
  }
}

function isEstablished(definition: CustomResourceDefinition): boolean {
  return (
    definition.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True') ??
    false
  );
}
