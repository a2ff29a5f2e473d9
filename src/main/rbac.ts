/** RBAC manifests from what the controllers declare they read and write: nothing more is granted. */

import { agentAccess, agentDeclarations } from '../agent/access.ts';
import { JOIN_ACCOUNT, SYSTEM_NAMESPACE } from '../api/cluster.ts';
import { CertificateSigningRequest, ConfigMap, Lease, Namespace } from '../api/core.ts';
import { silentLog } from '../base/log.ts';
import { createMemoryClient } from '../client/memory.ts';
import { addClusterControllers } from '../cluster/cluster.ts';
import { AGENT_ROLE } from '../cluster/joining/identity.ts';
import { createSimulatedFence, NO_POWER } from '../drivers/fence/simulated/driver.ts';
import type { Access, Declaration } from '../runtime/contract.ts';
import { createManager } from '../runtime/engine.ts';
import { type PolicyRule, type Rules, rbacRules } from '../runtime/rbac.ts';
import { fenceProbe } from './fencing.ts';
import { realClock } from './world/clock.ts';
import { realRandom } from './world/random.ts';

/** What the manager does beside its controllers: it leads, and keeps the cluster's identity. */
const MANAGER_ACCESS: readonly Access[] = [
  { kind: Lease, verbs: ['get', 'create', 'update', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: ConfigMap, verbs: ['get', 'create', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: Namespace, verbs: ['get', 'create'] },
];

/** What a machine may do by a join token: ask, and read the answer to a request whose name it knows. */
const JOIN_ACCESS: readonly Access[] = [{ kind: CertificateSigningRequest, verbs: ['get', 'create'] }];

/** Manifests by file name. Each host has an account of its own, which the manager binds to the agents' roles when it joins. */
export function rbacManifests(): Record<string, object[]> {
  return {
    manager: [
      account('vireo-manager'),
      ...roleManifests('vireo-manager', rbacRules(managerDeclarations(), MANAGER_ACCESS), 'vireo-manager'),
    ],
    agent: roleManifests(AGENT_ROLE, rbacRules(agentDeclarations(), agentAccess)),
    join: [account(JOIN_ACCOUNT), ...roleManifests('vireo-join', rbacRules([], JOIN_ACCESS), JOIN_ACCOUNT)],
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
    fence: fenceProbe(createSimulatedFence({ world, power: NO_POWER })),
  });
  return manager.declarations();
}

const LABELS = { 'app.kubernetes.io/part-of': 'vireo' };

function account(name: string): object {
  const metadata = { name, namespace: SYSTEM_NAMESPACE, labels: LABELS };
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata };
}

/** A ClusterRole and Roles of this name, bound to the account if one is named. */
function roleManifests(name: string, rules: Rules, subject?: string): object[] {
  const api = 'rbac.authorization.k8s.io';
  const metadata = (namespace?: string) => ({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    labels: LABELS,
  });
  const role = (kind: 'ClusterRole' | 'Role', granted: readonly PolicyRule[], namespace?: string) => [
    { apiVersion: `${api}/v1`, kind, metadata: metadata(namespace), rules: granted },
    ...(subject === undefined ? [] : [binding(kind, subject, namespace)]),
  ];
  const binding = (kind: 'ClusterRole' | 'Role', account: string, namespace?: string) => ({
    apiVersion: `${api}/v1`,
    kind: `${kind}Binding`,
    metadata: metadata(namespace),
    roleRef: { apiGroup: api, kind, name },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: SYSTEM_NAMESPACE }],
  });
  return [
    ...role('ClusterRole', rules.cluster),
    ...Object.entries(rules.namespaced).flatMap(([namespace, granted]) => role('Role', granted, namespace)),
  ];
}
