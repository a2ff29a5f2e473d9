/** Backup: a guest as it was at one moment, in an archive of its own that outlives the guest. */
import {
  atomicList,
  bytes,
  dnsLabel,
  flag,
  integer,
  mapList,
  object,
  objectName,
  oneOf,
  type Static,
  Type,
  text,
  time,
} from '../fields.ts';
import { copyProgress, fixed, jobColumns, jobGuest, jobProgress, startDeadline } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be backed up, as it is when the backup begins.',
  {
    guest: jobGuest,
    pool: objectName('StoragePool of the host of the guest that takes the archive.'),
    mode: Type.Optional(
      oneOf(
        ['Snapshot', 'Suspend', 'Stop'],
        'What becomes of a guest that runs. Snapshot: it runs on, its file systems frozen for a moment. Suspend: it stands still for that moment. Stop: it is shut down in order and started again, a machine as soon as the copy has begun.',
        'Snapshot',
      ),
    ),
    compression: Type.Optional(oneOf(['None', 'Gzip', 'Zstd'], 'How it is compressed.', 'Zstd')),
    encryption: Type.Optional(
      oneOf(
        ['None', 'Age'],
        'Age: its parts are encrypted with the key of its pool, or else of the host (backupKey of either), without which they are of no use.',
        'None',
      ),
    ),
    bandwidth: Type.Optional(
      bytes(
        'Most bytes a second that are read of the disks, such as 50Mi; as fast as can be when absent. Not while a container stands still.',
      ),
    ),
    ioPriority: Type.Optional(
      oneOf(
        ['Normal', 'Idle'],
        'Idle: the programs that read volumes and write the archive have the disk when nobody else wants it, where its scheduler knows priorities (BFQ). Not while a container stands still, and not what the process of a machine copies itself.',
        'Normal',
      ),
    ),
    fullEvery: Type.Optional(
      integer(
        'Of a virtual machine that runs only what changed since an earlier Backup in the same pool is copied, and everything again every so many Backups, or when it is not known what changed. 1, which is always everything, when absent.',
        1,
        100,
      ),
    ),
    deletionPolicy: Type.Optional(
      oneOf(
        ['Delete', 'Retain'],
        'What becomes of the archive when this object is deleted. Retain: it stays in the pool, as it does when the whole namespace is deleted.',
        'Delete',
      ),
    ),
    protected: Type.Optional(flag('A schedule neither deletes it nor counts it. May be changed.')),
    import: Type.Optional(
      object(
        'An archive that is there already: nothing is made. It must be one of this guest, by namespace, kind and name.',
        {
          archive: text('Name of the directory in `archives/` of the pool.', 43, {
            pattern: '^backup-[0-9a-f-]{36}$',
          }),
          host: objectName('Host where it lies.'),
        },
      ),
    ),
    notBefore: Type.Optional(time('Not begun before.')),
    startDeadlineSeconds: startDeadline(
      'Not begun within this many seconds, from notBefore on if that is later, it fails and is never made.',
    ),
  },
  fixed(
    ['guest', 'pool'],
    ['mode', 'compression', 'bandwidth', 'fullEvery', 'notBefore', 'encryption', 'ioPriority', '__import__'],
  ),
);

export const backupPhase = oneOf(
  ['Pending', 'Running', 'Succeeded', 'Failed', 'Skipped'],
  'How far it is. Succeeded: the archive is whole. Skipped: a restored copy of this object, never executed.',
);

const status = object('How far it is, and what is in the archive.', {
  ...jobProgress(backupPhase, {
    host: 'Host that makes it, where the archive lies; one of a shared pool that is lost is replaced by another.',
  }),
  progress: copyProgress,
  takenAt: Type.Optional(time('The moment it shows.')),
  mode: Type.Optional(
    oneOf(
      ['Snapshot', 'Suspend', 'Stop'],
      'What was done: Suspend where the pool cannot do Snapshot; Snapshot where Stop was interrupted after it had stopped the guest.',
    ),
  ),
  consistency: Type.Optional(
    oneOf(
      ['Crash', 'Filesystem'],
      'Filesystem: file systems were written out and stood still, or the guest was off in order. Crash: as after a power cut.',
    ),
  ),
  stillMilliseconds: Type.Optional(
    Type.Integer({ description: 'How long the guest stood still for it, measured.', minimum: 0 }),
  ),
  archive: Type.Optional(text('Name of the directory in `archives/` of the pool.', 128)),
  size: Type.Optional(bytes('Bytes of the archive.')),
  encryptedFor: Type.Optional(text('Public half of the key (age1...); absent: it is not encrypted.', 128)),
  needs: Type.Optional(
    atomicList(
      text('Name of the directory.', 128),
      400,
      'Archives without which it cannot be read, nearest first: it holds what changed since. They stay as long as it does.',
    ),
  ),
  parts: Type.Optional(
    mapList(
      object('One volume as it was.', {
        name: dnsLabel('Name of the disk, or rootfs.'),
        file: text('File in the directory of the archive.', 128),
        sha256: text('SHA-256 of the file, hexadecimal.', 64),
        size: Type.Optional(bytes('Size the guest saw.')),
        base: Type.Optional(
          text('Archive since which what changed is in the file; absent: all of it is.', 128),
        ),
        bitmap: Type.Optional(
          oneOf(
            ['New', 'Used', 'Invalid', 'Recreated'],
            'What there was to say what changed. Used: only that was copied. New: nothing yet. Invalid: it was left half-way, as when the machine died. Recreated: it has gone, as that of a raw disk does with each stop.',
          ),
        ),
      }),
      ['name'],
      64,
      'Volumes it holds.',
    ),
  ),
  verified: Type.Optional(
    object('What the last Verify found.', {
      at: time('When.'),
      result: oneOf(['Whole', 'Damaged'], 'Damaged: use another backup.'),
      message: text('What was found.', 1024),
    }),
  ),
});

export type BackupSpec = Static<typeof spec>;
export type BackupStatus = Static<typeof status>;
export type BackupPhase = Static<typeof backupPhase>;
export type Backup = KubeObject<BackupSpec, BackupStatus>;

export const Backup = defineKind<Backup>({
  kind: 'Backup',
  plural: 'backups',
  namespaced: true,
  shortNames: ['bak'],
  description: 'A guest as it was at one moment, in an archive.',
  spec,
  status,
  columns: [
    jobColumns.guest,
    jobColumns.phase,
    { name: 'Taken', type: 'date', jsonPath: '.status.takenAt', description: 'The moment it shows.' },
    {
      name: 'Consistency',
      type: 'string',
      jsonPath: '.status.consistency',
      description: 'What can be expected of it.',
    },
    { name: 'Size', type: 'string', jsonPath: '.status.size', description: 'Size of the archive.' },
    {
      name: 'Verified',
      type: 'string',
      jsonPath: '.status.verified.result',
      description: 'What the last Verify found.',
      priority: 1,
    },
    jobColumns.copied,
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.guest.name', '.spec.guest.kind', '.status.phase'],
});
