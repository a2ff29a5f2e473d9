/** Puts roles and admission policies in place on an embedded API server, as `kubectl apply -k manifests/install` does on another. */
import type { KindRef, KubeObject } from '../api/meta.ts';
import type { Client } from '../client/contract.ts';
import { policyManifests } from './policies.ts';
import { rbacManifests } from './rbac.ts';

const CLUSTER_WIDE = /^(ClusterRole|ValidatingAdmissionPolicy)/;

/** The roles of agents and of machines that join; the system namespace must be there. */
export function installRoles(client: Client): Promise<void> {
  const { agent = [], join = [] } = rbacManifests();
  return applyAll(client, [...agent, ...join]);
}

/** What holds them to their own things. */
export function installPolicies(client: Client): Promise<void> {
  return applyAll(client, policyManifests());
}

/** By server-side apply, all at once. */
export async function applyAll(client: Client, objects: readonly object[]): Promise<void> {
  await Promise.all(
    (objects as KubeObject[]).map((object) => client.apply(kindOf(object), object, { force: true })),
  );
}

function kindOf({ apiVersion, kind }: KubeObject): KindRef {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  const plural = kind.endsWith('y') ? `${kind.slice(0, -1)}ies` : `${kind}s`;
  return { group, version, kind, plural: plural.toLowerCase(), namespaced: !CLUSTER_WIDE.test(kind) };
}
