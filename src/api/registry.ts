/** All kinds of Vireo, in the order they are listed everywhere. */
import type { KindDefinition } from './kind.ts';
import { Backup } from './kinds/backup.ts';
import { BackupSchedule } from './kinds/backupSchedule.ts';
import { ClusterPolicy } from './kinds/clusterPolicy.ts';
import { Container } from './kinds/container.ts';
import { FenceAction } from './kinds/fenceAction.ts';
import { FenceDevice } from './kinds/fenceDevice.ts';
import { HAGroup } from './kinds/haGroup.ts';
import { Host } from './kinds/host.ts';
import { Image } from './kinds/image.ts';
import { Migration } from './kinds/migration.ts';
import { Operation } from './kinds/operation.ts';
import { Restore } from './kinds/restore.ts';
import { Rollback } from './kinds/rollback.ts';
import { Snapshot } from './kinds/snapshot.ts';
import { SnapshotSchedule } from './kinds/snapshotSchedule.ts';
import { StoragePool } from './kinds/storagePool.ts';
import { Verify } from './kinds/verify.ts';
import { VirtualMachine } from './kinds/virtualMachine.ts';

export const kinds: readonly KindDefinition[] = [
  VirtualMachine,
  Container,
  StoragePool,
  Image,
  Host,
  Operation,
  Migration,
  Snapshot,
  Rollback,
  SnapshotSchedule,
  Backup,
  BackupSchedule,
  Restore,
  Verify,
  FenceDevice,
  FenceAction,
  ClusterPolicy,
  HAGroup,
].map((kind) => kind as KindDefinition);

export function kindNamed(kind: string): KindDefinition | undefined {
  return kinds.find((known) => known.kind === kind);
}
