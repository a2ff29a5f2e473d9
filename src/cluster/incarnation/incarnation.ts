/**
 * The cluster's identity, made once, and its incarnation, raised by each new leader: a host that has seen a higher one knows that the
 * API was rolled back, and starts nothing.
 */
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { ConfigMap, Namespace } from '../../api/core.ts';
import type { Random } from '../../base/random.ts';
import { ApiError, type Client } from '../../client/contract.ts';

/** `restored`: the incarnation by which the API was last restored from an older copy; hosts that have reported to an earlier one have not said what they have. */
export type ClusterIdentity = { id: string; incarnation: number; restored?: number };

const REF = { name: CLUSTER_CONFIG_MAP, namespace: SYSTEM_NAMESPACE };

/**
 * Makes the ConfigMap where it is missing, else raises the incarnation above what is stored and above `atLeast` (the highest
 * a host has reported). Compare-and-swap: of two leaders that overlap each gets a number of its own.
 */
export async function raiseIncarnation(
  client: Client,
  random: Random,
  atLeast = 0,
): Promise<ClusterIdentity> {
  for (;;) {
    try {
      const stored = await client.find(ConfigMap, REF);
      if (stored === undefined) return await firstIncarnation(client, random, atLeast);
      const id = stored.data?.id ?? newClusterId(random);
      const before = Number(stored.data?.incarnation ?? '0') || 0;
      const incarnation = Math.max(before, atLeast) + 1;
      // A host has seen one that the API does not know any more: it was restored by other means than ours, which say so themselves.
      const restored = atLeast > before ? incarnation : Number(stored.data?.restored ?? '0') || 0;
      const patch = {
        metadata: { resourceVersion: stored.metadata.resourceVersion },
        data: {
          ...{ id, incarnation: String(incarnation) },
          ...(restored > 0 ? { restored: String(restored) } : {}),
        },
      };
      await client.mergePatch(ConfigMap, REF, patch);
      return { id, incarnation, ...(restored > 0 ? { restored } : {}) };
    } catch (error) {
      if (error instanceof ApiError && error.code === 409) continue;
      throw error;
    }
  }
}

async function firstIncarnation(client: Client, random: Random, atLeast: number): Promise<ClusterIdentity> {
  const identity = { id: newClusterId(random), incarnation: atLeast + 1 };
  await client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: REF,
    spec: undefined,
    data: { id: identity.id, incarnation: String(identity.incarnation) },
  });
  return identity;
}

/** Makes the namespace of Vireo's own objects, leases among them. */
export async function ensureSystemNamespace(client: Client): Promise<void> {
  if ((await client.find(Namespace, { name: SYSTEM_NAMESPACE })) !== undefined) return;
  const namespace: Namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: SYSTEM_NAMESPACE },
    spec: {},
  };
  await client.create(Namespace, namespace).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.code === 409)) throw error;
  });
}

function newClusterId(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('hex');
}
