/** Restore: one return of a guest to what a Backup of it holds, as an object: it runs once and says how it ended. */
import { atomicList, bytes, dnsLabel, object, objectName, oneOf, type Static, Type } from '../fields.ts';
import { copyProgress, fixed, jobColumns, jobGuest, jobProgress, startDeadline, timeToLive } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be restored, once, into a guest that stays who it is.',
  {
    guest: jobGuest,
    backup: objectName('Backup of this guest. What its disks hold since then is lost.'),
    disks: Type.Optional(
      atomicList(
        dnsLabel('Name of a disk, or rootfs.'),
        64,
        'Only these, the others stay as they are. Absent: all of them, and guest and Backup must have the same.',
      ),
    ),
    ifRunning: Type.Optional(
      oneOf(
        ['Refuse', 'Stop'],
        'What becomes of a guest that runs. Refuse: the restore fails. Stop: when the disks have been made from the archive it is shut down, gets them, and is started again.',
        'Refuse',
      ),
    ),
    bandwidth: Type.Optional(
      bytes(
        'Most bytes a second that are brought over where the archive lies on another host, such as 50Mi; as fast as can be when absent.',
      ),
    ),
    startDeadlineSeconds: startDeadline(),
    ttlSecondsAfterFinished: timeToLive,
  },
  fixed(['guest', 'backup'], ['disks', 'ifRunning', 'bandwidth']),
);

export const restorePhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Skipped'],
  'How far it is. Skipped: a restored copy of this object, never executed.',
);

const status = object('How far it is.', {
  ...jobProgress(restorePhase),
  progress: copyProgress,
});

export type RestoreSpec = Static<typeof spec>;
export type RestoreStatus = Static<typeof status>;
export type Restore = KubeObject<RestoreSpec, RestoreStatus>;

export const Restore = defineKind<Restore>({
  kind: 'Restore',
  plural: 'restores',
  namespaced: true,
  shortNames: ['rst'],
  description: 'One return of a guest to what a Backup of it holds.',
  spec,
  status,
  columns: [
    jobColumns.guest,
    { name: 'Backup', type: 'string', jsonPath: '.spec.backup', description: 'Backup.' },
    jobColumns.phase,
    jobColumns.copied,
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.guest.name', '.status.phase'],
});
