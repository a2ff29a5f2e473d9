/** Makes this host's Host object when there is none. Its spec is the user's: it is never written again. */
import { Host } from '../../api/kinds/host.ts';
import { apiVersionOf, type Stored } from '../../api/meta.ts';
import { backoffDelay } from '../../base/backoff.ts';
import type { World } from '../../base/world.ts';
import { ApiError, type Client } from '../../client/contract.ts';

const RETRY = { baseMs: 200, maxMs: 5_000 };

/** Label by which guests select hosts by name, as in Kubernetes. */
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** Tries until it is there; rejects only with the signal's reason. */
export async function registerHost(
  client: Client,
  name: string,
  { clock, random, log }: Pick<World, 'clock' | 'random' | 'log'>,
  signal: AbortSignal,
): Promise<Stored<Host>> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return (await client.find(Host, { name }, { signal })) ?? (await createHost(client, name, signal));
    } catch (error) {
      signal.throwIfAborted();
      // Somebody else created it between the two calls: the next find has it.
      const isRace = error instanceof ApiError && error.reason === 'AlreadyExists';
      if (!isRace) log.warn('the Host is not registered yet', { message: String(error) });
      await clock.sleep(backoffDelay(attempt, RETRY, random), signal);
    }
  }
}

function createHost(client: Client, name: string, signal: AbortSignal): Promise<Stored<Host>> {
  const host: Host = {
    apiVersion: apiVersionOf(Host),
    kind: Host.kind,
    metadata: { name, labels: { [HOSTNAME_LABEL]: name } },
    spec: {},
  };
  return client.create(Host, host, { signal });
}
