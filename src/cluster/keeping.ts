/** Everything the cluster does for Snapshots and Backups of guests, put together: who makes them, when, and what is said of them. */
import { Backup } from '../api/kinds/backup.ts';
import { BackupSchedule } from '../api/kinds/backupSchedule.ts';
import { Container } from '../api/kinds/container.ts';
import type { Host } from '../api/kinds/host.ts';
import { Restore } from '../api/kinds/restore.ts';
import { Rollback } from '../api/kinds/rollback.ts';
import { Snapshot } from '../api/kinds/snapshot.ts';
import { SnapshotSchedule } from '../api/kinds/snapshotSchedule.ts';
import type { StoragePool } from '../api/kinds/storagePool.ts';
import { Verify } from '../api/kinds/verify.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import { keyOf } from '../api/meta.ts';
import type { Informer, Informers } from '../client/contract.ts';
import type { Manager, Trigger } from '../runtime/contract.ts';
import type { Guest, StoredGuest } from './guests.ts';
import { archivesOf, importController } from './imports/imports.ts';
import { lastBackupController } from './schedules/lastBackup.ts';
import { backupSchedules, scheduleOf, snapshotSchedules } from './schedules/schedules.ts';
import { type IsGone, isGoneWithHost } from './schedules/sound.ts';
import { verificationController } from './schedules/verification.ts';
import { wantedBackups } from './schedules/wanted.ts';
import type { Kept } from './snapshots/decide.ts';
import { backupsOfPools, isLost } from './snapshots/heirs.ts';
import { createQueue } from './snapshots/queue.ts';
import {
  backupController,
  keptIndexes,
  keptJobController,
  keptOfGuests,
  keptOfHosts,
  snapshotController,
} from './snapshots/snapshots.ts';
import { verifyController, verifyIndexes } from './snapshots/verifies.ts';

/** The artefacts, with the indexes that their controllers ask for. */
export function artefacts(informers: Informers): {
  snapshots: Informer<Snapshot>;
  backups: Informer<Backup>;
} {
  return {
    snapshots: informers.informer(Snapshot, { indexes: { ...keptIndexes, schedule: scheduleOf } }),
    backups: informers.informer(Backup, {
      indexes: {
        ...{ ...keptIndexes, schedule: scheduleOf, archive: archivesOf },
        pool: ({ spec }) => [spec.pool],
      },
    }),
  };
}

export type KeepingSources = ReturnType<typeof artefacts> & {
  /** With the index `namespace`. */
  machines: Informer<VirtualMachine>;
  containers: Informer<Container>;
  hosts: Informer<Host>;
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
  pool(name: string): StoragePool | undefined;
  clusterId(): string;
};

/** Adds all of it to a manager that is about to run as leader. */
export function addKeeping(manager: Manager, sources: KeepingSources): void {
  const { machines, containers, hosts, snapshots, backups, clusterId } = sources;
  const { informers } = manager;
  const kept = { hosts, guest: sources.guest };
  const triggersOf = <K extends Kept>(jobs: Informer<K>): Trigger[] => [
    keptOfGuests(machines, jobs),
    keptOfGuests(containers, jobs),
    keptOfHosts(hosts, jobs),
  ];
  const rollbacks = informers.informer(Rollback, { indexes: keptIndexes });
  const restores = informers.informer(Restore, {
    indexes: { ...keptIndexes, namespace: ({ metadata }) => [metadata.namespace ?? 'default'] },
  });
  const verifies = informers.informer(Verify, { indexes: verifyIndexes });
  const schedules = informers.informer(BackupSchedule);
  const isHostLost = (name: string) => isLost(hosts.get(name));
  const queue = createQueue({ backups, schedules, pool: sources.pool, isHostLost });
  const { pool } = sources;
  manager.add(snapshotController(snapshots, { ...kept, pool }, triggersOf(snapshots)));
  manager.add(
    keptJobController('rollbacks', Rollback, rollbacks, { ...kept, triggers: triggersOf(rollbacks) }),
  );
  manager.add(keptJobController('restores', Restore, restores, { ...kept, triggers: triggersOf(restores) }));
  const backupTriggers = [...triggersOf(backups), backupsOfPools({ hosts, pool }, backups)];
  manager.add(backupController(backups, { ...kept, pool, queue }, backupTriggers));
  manager.add(importController({ hosts, backups }));
  manager.add(verifyController({ verifies, backups, hosts, pool }));
  manager.add(verificationController({ backups, schedules }));

  const guestsIn = (namespace: string) => [
    ...machines.byIndex('namespace', namespace),
    ...containers.byIndex('namespace', namespace),
  ];
  const snapshotTimes = informers.informer(SnapshotSchedule);
  manager.add(snapshotSchedules({ schedules: snapshotTimes, children: snapshots, guestsIn, clusterId }));
  const wantedIn = (namespace: string) =>
    wantedBackups(restores.byIndex('namespace', namespace), guestsIn(namespace));
  const isGone: IsGone = (backup) =>
    isGoneWithHost(backup, {
      isHost: (name) => hosts.get(name) !== undefined,
      isShared: (name) => pool(name)?.spec.shared === true,
    });
  manager.add(backupSchedules({ schedules, children: backups, guestsIn, clusterId, wantedIn, isGone }));

  const keysIn = (guests: Informer<Guest>) => (namespace: string) =>
    guests.byIndex('namespace', namespace).map(({ metadata }) => keyOf(metadata));
  const promised = { backups, schedules, hosts, isGone };
  manager.add(
    lastBackupController(VirtualMachine, { ...promised, guests: machines, keysIn: keysIn(machines) }),
  );
  manager.add(
    lastBackupController(Container, { ...promised, guests: containers, keysIn: keysIn(containers) }),
  );
}
