/** Snapshot: all disks of a guest at one moment, kept beside them in their pools. */
import {
  bytes,
  conditions,
  dnsLabel,
  mapList,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  Type,
  text,
  time,
} from '../fields.ts';
import { fixed, jobColumns, jobGuest, startDeadline } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be kept, as it is when the snapshot is taken.',
  {
    guest: jobGuest,
    memory: Type.Optional(
      oneOf(
        ['Include', 'Exclude'],
        'Include: the memory of a virtual machine that runs is kept too, and a Rollback lets it go on where it stood.',
        'Exclude',
      ),
    ),
    startDeadlineSeconds: startDeadline('Not taken within this many seconds it fails and is never taken.'),
  },
  [
    ...fixed(['guest'], ['memory']),
    {
      rule: "!has(self.memory) || self.memory == 'Exclude' || self.guest.kind == 'VirtualMachine'",
      message: 'only the memory of a VirtualMachine can be kept',
      fieldPath: '.memory',
    },
  ],
);

export const snapshotPhase = oneOf(
  ['Pending', 'Taking', 'Ready', 'Failed', 'Lost', 'Skipped'],
  'How far it is. Ready: it can be rolled back to. Lost: it went with its volumes. Skipped: a restored copy, never taken.',
);

const status = object('What is kept.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(snapshotPhase),
  host: Type.Optional(objectName('Host of the guest, where the snapshot lies.')),
  takenAt: Type.Optional(time('The moment it shows.')),
  consistency: Type.Optional(
    oneOf(
      ['Crash', 'Filesystem'],
      'Filesystem: file systems were written out and stood still, or the guest was off in order. Crash: as after a power cut.',
    ),
  ),
  stillMilliseconds: Type.Optional(
    Type.Integer({ description: 'How long the guest stood still for it, measured.', minimum: 0 }),
  ),
  memory: Type.Optional(bytes('Size of the memory that is kept with it, on the host.')),
  parent: Type.Optional(objectName('The Snapshot that the guest came from when this one was taken.')),
  volumes: Type.Optional(
    mapList(
      object('One volume as it was.', {
        name: dnsLabel('Name of the disk, or rootfs.'),
        pool: objectName('StoragePool.'),
        size: Type.Optional(bytes('Size the guest saw.')),
      }),
      ['name'],
      64,
      'Volumes it holds.',
    ),
  ),
  message: Type.Optional(text('What happened.', 1024)),
});

export type SnapshotSpec = Static<typeof spec>;
export type SnapshotStatus = Static<typeof status>;
export type SnapshotPhase = Static<typeof snapshotPhase>;
export type Snapshot = KubeObject<SnapshotSpec, SnapshotStatus>;

export const Snapshot = defineKind<Snapshot>({
  kind: 'Snapshot',
  plural: 'snapshots',
  namespaced: true,
  shortNames: ['snap'],
  description: 'All disks of a guest at one moment.',
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
    { name: 'Parent', type: 'string', jsonPath: '.status.parent', description: 'Where it came from.' },
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: ['.status.host', '.spec.guest.name', '.spec.guest.kind', '.status.phase'],
});

/** True when it will not be taken any more, whatever it came to. */
export function isTaken({ status }: Pick<Snapshot, 'status'>): boolean {
  const phase = status?.phase;
  return phase !== undefined && phase !== 'Pending' && phase !== 'Taking';
}
