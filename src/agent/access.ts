/** What an agent reads and writes in the API, for RBAC: its controllers' declarations, and what it does beside them. */
import { BACKUP_KEYS } from '../api/backupKeys.ts';
import {
  BACKUP_FINALIZER,
  GUEST_FINALIZER,
  MIGRATION_FINALIZERS,
  SNAPSHOT_FINALIZER,
  SYSTEM_NAMESPACE,
} from '../api/cluster.ts';
import { CertificateSigningRequest, ConfigMap, Lease, Namespace, Secret } from '../api/core.ts';
import { Backup } from '../api/kinds/backup.ts';
import { ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import { Container } from '../api/kinds/container.ts';
import { FenceAction } from '../api/kinds/fenceAction.ts';
import { Host } from '../api/kinds/host.ts';
import { Image } from '../api/kinds/image.ts';
import { Migration } from '../api/kinds/migration.ts';
import { Operation } from '../api/kinds/operation.ts';
import { Restore } from '../api/kinds/restore.ts';
import { Rollback } from '../api/kinds/rollback.ts';
import { Snapshot } from '../api/kinds/snapshot.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import { Verify } from '../api/kinds/verify.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { Access, Declaration } from '../runtime/contract.ts';
import { BACKUP_STATUS_PATHS } from './backups/status.ts';
import { GUEST_STATUS_PATHS } from './guests/status.ts';
import { COPYING_STATUS_PATHS, JOB_STATUS_PATHS } from './jobs/status.ts';
import { SOURCE_STATUS_PATHS } from './migration/source/status.ts';
import { SNAPSHOT_STATUS_PATHS } from './snapshots/status.ts';

/** Names of the agent's controllers. */
export const CONTROLLERS = {
  machines: 'agent-machines',
  containers: 'agent-containers',
  pools: 'agent-pools',
  images: 'agent-images',
  revocations: 'agent-revocations',
  operations: 'agent-operations',
  departures: 'agent-departures',
  arrivals: 'agent-arrivals',
  snapshots: 'agent-snapshots',
  rollbacks: 'agent-rollbacks',
  backups: 'agent-backups',
  restores: 'agent-restores',
  verifies: 'agent-verifies',
} as const;

/** What the controllers of an agent declare, without making them. */
export function agentDeclarations(): readonly Declaration[] {
  return [
    { name: CONTROLLERS.pools, kind: StoragePool, writes: [] },
    { name: CONTROLLERS.images, kind: Image, writes: [] },
    { name: CONTROLLERS.revocations, kind: FenceAction, writes: REVOCATION_STATUS_PATHS },
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
      writes: JOB_STATUS_PATHS,
      access: OPERATION_ACCESS,
    },
    {
      name: CONTROLLERS.snapshots,
      kind: Snapshot,
      writes: SNAPSHOT_STATUS_PATHS,
      access: SNAPSHOT_ACCESS,
      finalizer: SNAPSHOT_FINALIZER,
    },
    { name: CONTROLLERS.rollbacks, kind: Rollback, writes: JOB_STATUS_PATHS, access: ROLLBACK_ACCESS },
    {
      name: CONTROLLERS.backups,
      kind: Backup,
      writes: BACKUP_STATUS_PATHS,
      access: BACKUP_ACCESS,
      finalizer: BACKUP_FINALIZER,
    },
    { name: CONTROLLERS.verifies, kind: Verify, writes: JOB_STATUS_PATHS, access: VERIFY_ACCESS },
    { name: CONTROLLERS.restores, kind: Restore, writes: COPYING_STATUS_PATHS, access: RESTORE_ACCESS },
    {
      name: CONTROLLERS.departures,
      kind: Migration,
      writes: SOURCE_STATUS_PATHS,
      access: MIGRATION_ACCESS,
      finalizer: MIGRATION_FINALIZERS.source,
    },
    {
      name: CONTROLLERS.arrivals,
      kind: Migration,
      writes: TARGET_STATUS_PATHS,
      access: MIGRATION_ACCESS,
      finalizer: MIGRATION_FINALIZERS.target,
    },
  ];
}

/** Paths of a FenceAction that its executor writes. */
export const REVOCATION_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.startedAt',
  'status.completedAt',
];

/** The stamp on a Migration is an annotation. */
export const MIGRATION_ACCESS: readonly Access[] = [{ kind: Migration, verbs: ['get', 'patch'] }];

/** Paths of a Migration that its target writes. */
export const TARGET_STATUS_PATHS: readonly string[] = ['status.target'];

/** The stamps on Snapshots, Rollbacks, Backups and Restores are annotations; whether one is still there is asked of the server. */
export const SNAPSHOT_ACCESS: readonly Access[] = [{ kind: Snapshot, verbs: ['get', 'patch'] }];
export const ROLLBACK_ACCESS: readonly Access[] = [{ kind: Rollback, verbs: ['get', 'patch'] }];
export const BACKUP_ACCESS: readonly Access[] = [
  { kind: Backup, verbs: ['get', 'patch'] },
  // Archives of a namespace that is deleted stay.
  { kind: Namespace, verbs: ['get'] },
];
export const VERIFY_ACCESS: readonly Access[] = [{ kind: Verify, verbs: ['patch'] }];
export const RESTORE_ACCESS: readonly Access[] = [{ kind: Restore, verbs: ['get', 'patch'] }];

/** The stamp on an Operation is an annotation. */
export const OPERATION_ACCESS: readonly Access[] = [{ kind: Operation, verbs: ['patch'] }];

/** Its Host, its Lease, the cluster's ConfigMaps, certificates of its own, keys of backups. The cluster makes the Host of a machine that joins. */
export const agentAccess: readonly Access[] = [
  { kind: Host, verbs: ['get', 'list', 'watch'] },
  { kind: Host, verbs: ['patch'], subresource: 'status' },
  { kind: Lease, verbs: ['get', 'create', 'patch'], namespace: SYSTEM_NAMESPACE },
  { kind: ConfigMap, verbs: ['get', 'list', 'watch'], namespace: SYSTEM_NAMESPACE },
  { kind: ClusterPolicy, verbs: ['get', 'list', 'watch'] },
  // No other Secret: there are passwords of fence devices beside it.
  { kind: Secret, verbs: ['get'], namespace: BACKUP_KEYS.namespace, names: [BACKUP_KEYS.name] },
  { kind: CertificateSigningRequest, verbs: ['get', 'create'] },
];
