/** Restores of guests on this host: the disks are made from the archive beside those the guest has, then it gets them. */
import { Backup } from '../../api/kinds/backup.ts';
import { Restore } from '../../api/kinds/restore.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { parseBytes } from '../../base/quantity.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller } from '../../runtime/contract.ts';
import { CONTROLLERS, RESTORE_ACCESS } from '../access.ts';
import { read } from '../guests/read.ts';
import { heldJobController } from '../jobs/held/controller.ts';
import type { SnapshotWorld } from '../snapshots/world.ts';
import { giveDisks, prepareDisks, undoRestore } from './act.ts';
import { lookAtArchive } from './archive.ts';

export function restoreController(world: SnapshotWorld, informer: Informer<Restore>): Controller<Restore> {
  /** By uid, of those that are being prepared. */
  const percents = new Map<string, number>();
  return heldJobController(world, informer, {
    name: CONTROLLERS.restores,
    kind: Restore,
    operation: 'Restore',
    access: RESTORE_ACCESS,
    finished: ({ restored }) => restored,
    judge: async (restore, record, signal) => {
      const found = await lookAtArchive(world, restore, record, signal);
      return 'disks' in found ? { key: `restore-${restore.metadata.uid}`, disks: found.disks } : found;
    },
    prepare: ({ metadata, spec }, record, signal) => {
      const { namespace = 'default', name, uid } = metadata;
      const { bandwidth } = spec;
      const findBackup = async (until: AbortSignal) => {
        const ref = { namespace, name: spec.backup };
        const backup = await world.guests.client.find(Backup, ref, read(until));
        if (backup !== undefined) return backup;
        const message = `the Backup ${spec.backup} has gone meanwhile`;
        throw new ReasonedError('BackupNotFound', message, { stalled: true });
      };
      const tell = (percent: number) => void percents.set(metadata.uid, percent);
      const source = {
        ...{ findBackup, restore: { name, uid } },
        ...(bandwidth === undefined ? {} : { bytesPerSecond: parseBytes(bandwidth) }),
      };
      return prepareDisks(world, record, source, { tell, signal }).finally(() =>
        percents.delete(metadata.uid),
      );
    },
    progress: ({ metadata }, isOver) => {
      const percent = isOver ? 100 : percents.get(metadata.uid);
      return percent === undefined ? undefined : { progress: { percent } };
    },
    change: (record, signal) => giveDisks(world, record, signal),
    undo: (record) => undoRestore(world, record),
    words: {
      begun: ({ guest, backup }, { disks = [] }) =>
        `${guest.name} gets back ${disks.join(', ')} of ${backup}`,
      done: { reason: 'Restored', message: 'the guest has what was backed up' },
      preparing: 'the disks are being made from the archive',
    },
  });
}
