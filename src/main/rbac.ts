/** RBAC manifests from what the controllers declare they read and write: nothing more is granted. */

import { agentAccess, agentDeclarations } from '../agent/access.ts';
import { SYSTEM_NAMESPACE } from '../api/cluster.ts';
import { ConfigMap, Lease, Namespace } from '../api/core.ts';
import { silentLog } from '../base/log.ts';
import { createMemoryClient } from '../client/memory.ts';
import { addClusterControllers } from '../cluster/cluster.ts';
import type { Access, Declaration } from '../runtime/contract.ts';
import { createManager } from '../runtime/engine.ts';
import { type PolicyRule, rbacRules } from '../runtime/rbac.ts';
import { realClock } from './world/clock.ts';
import { realRandom } from './world/random.ts';

/** What the manager does beside its controllers: it leads, and keeps the cluster's identity. */
const MANAGER_ACCESS: readonly Access[] = [
  { kind: Lease, verbs: ['get', 'create', 'update', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: ConfigMap, verbs: ['get', 'create', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: Namespace, verbs: ['get', 'create'] },
];

/** Manifests by file name. */
export function rbacManifests(): Record<string, object[]> {
  return {
    manager: roleManifests('vireo-manager', managerDeclarations(), MANAGER_ACCESS),
    agent: roleManifests('vireo-agent', agentDeclarations(), agentAccess),
  };
}

/** The controllers of the manager, made over an empty API: they are only asked what they declare. */
function managerDeclarations(): readonly Declaration[] {
  const world = { clock: realClock(), random: realRandom(), log: silentLog };
  const manager = createManager({
    client: createMemoryClient({ clock: world.clock }),
    world,
    component: 'vireo-manager',
  });
  addClusterControllers({
    manager,
    clock: world.clock,
    cluster: () => ({ id: '', incarnation: 0 }),
    raise: async () => {},
  });
  return manager.declarations();
}

function roleManifests(
  name: string,
  declarations: readonly Declaration[],
  extra: readonly Access[],
): object[] {
  const rules = rbacRules(declarations, extra);
  const subject = { kind: 'ServiceAccount', name, namespace: SYSTEM_NAMESPACE };
  const api = 'rbac.authorization.k8s.io';
  const metadata = (namespace?: string) => ({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: { 'app.kubernetes.io/part-of': 'vireo' },
  });
  const binding = (kind: 'ClusterRole' | 'Role', namespace?: string) => ({
    apiVersion: `${api}/v1`,
    kind: `${kind}Binding`,
    metadata: metadata(namespace),
    roleRef: { apiGroup: api, kind, name },
    subjects: [subject],
  });
  const role = (kind: 'ClusterRole' | 'Role', granted: readonly PolicyRule[], namespace?: string) => ({
    apiVersion: `${api}/v1`,
    kind,
    metadata: metadata(namespace),
    rules: granted,
  });
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(SYSTEM_NAMESPACE) },
    role('ClusterRole', rules.cluster),
    binding('ClusterRole'),
    ...Object.entries(rules.namespaced).flatMap(([namespace, granted]) => [
      role('Role', granted, namespace),
      binding('Role', namespace),
    ]),
  ];
}
