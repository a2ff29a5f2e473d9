/** What an agent reads and writes in the API, for RBAC: its controllers' declarations, and what it does beside them. */
import { GUEST_FINALIZER, SYSTEM_NAMESPACE } from '../api/cluster.ts';
import { ConfigMap, Lease } from '../api/core.ts';
import { Container } from '../api/kinds/container.ts';
import { Host } from '../api/kinds/host.ts';
import { Image } from '../api/kinds/image.ts';
import { Operation } from '../api/kinds/operation.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { Access, Declaration } from '../runtime/contract.ts';
import { GUEST_STATUS_PATHS } from './guests/status.ts';
import { OPERATION_STATUS_PATHS } from './operations/status.ts';

/** Names of the agent's controllers. */
export const CONTROLLERS = {
  machines: 'agent-machines',
  containers: 'agent-containers',
  pools: 'agent-pools',
  images: 'agent-images',
  operations: 'agent-operations',
} as const;

/** What the controllers of an agent declare, without making them. */
export function agentDeclarations(): readonly Declaration[] {
  return [
    { name: CONTROLLERS.pools, kind: StoragePool, writes: [] },
    { name: CONTROLLERS.images, kind: Image, writes: [] },
    {
      name: CONTROLLERS.machines,
      kind: VirtualMachine,
      writes: GUEST_STATUS_PATHS,
      finalizer: GUEST_FINALIZER,
    },
    { name: CONTROLLERS.containers, kind: Container, writes: GUEST_STATUS_PATHS, finalizer: GUEST_FINALIZER },
    {
      name: CONTROLLERS.operations,
      kind: Operation,
      writes: OPERATION_STATUS_PATHS,
      access: OPERATION_ACCESS,
    },
  ];
}

/** The stamp on an Operation is an annotation. */
export const OPERATION_ACCESS: readonly Access[] = [{ kind: Operation, verbs: ['patch'] }];

/** Its Host, its Lease, the cluster's ConfigMap. */
export const agentAccess: readonly Access[] = [
  { kind: Host, verbs: ['get', 'list', 'watch', 'create'] },
  { kind: Host, verbs: ['patch'], subresource: 'status' },
  { kind: Lease, verbs: ['get', 'create', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: ConfigMap, verbs: ['get', 'list', 'watch'], namespace: SYSTEM_NAMESPACE },
];
