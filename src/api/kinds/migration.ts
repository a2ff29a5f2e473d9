/** Migration: one move of a guest to another host, as an object: it runs once, shows how far it is and says how it ended. */
import {
  bytes,
  conditions,
  dnsLabel,
  flag,
  integer,
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
import { fixed, jobColumns, jobGuest, startDeadline, timeToLive } from '../job.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What is to be moved, once.',
  {
    guest: jobGuest,
    targetHost: Type.Optional(objectName('Host it moves to; chosen as for a new guest when absent.')),
    type: Type.Optional(
      oneOf(
        ['Auto', 'Live', 'Offline'],
        'Live: without stopping. Offline: orderly stop, move, start. Auto: Live where the guest allows it.',
        'Auto',
      ),
    ),
    storage: Type.Optional(
      mapList(
        object('Volumes of one pool.', {
          pool: objectName('StoragePool they lie in.'),
          target: objectName('StoragePool they lie in afterwards.'),
        }),
        ['pool'],
        16,
        'Pools that volumes change on their way; all others keep theirs.',
      ),
    ),
    bandwidth: Type.Optional(bytes('Bytes per second it may take at most; no limit when absent.')),
    downtimeLimitMilliseconds: Type.Optional(
      integer(
        'How long a live guest may stand still; doubled up to 16 times this while its memory changes faster than it is sent.',
        1,
        60_000,
        300,
      ),
    ),
    autoConverge: Type.Optional(
      flag("Slow the guest's processors down when its memory changes faster than it is sent.", true),
    ),
    allowPostCopy: Type.Optional(
      flag(
        'Where its memory changes faster than it is sent, the guest may go on on the target before all of it is there (post-copy). A lost link then holds it up, and a lost source host costs it its memory.',
        false,
      ),
    ),
    channels: Type.Optional(integer('Connections for memory at the same time (multifd).', 1, 16, 1)),
    compression: Type.Optional(
      oneOf(['None', 'Zstd', 'XBZRLE'], 'How memory is made smaller on its way.', 'None'),
    ),
    priority: Type.Optional(
      integer('Of those that wait the highest goes first, then the oldest.', -1_000, 1_000, 0),
    ),
    timeoutSeconds: Type.Optional(
      integer(
        'Not handed over so long after its beginning it is given up; the guest stays.',
        10,
        604_800,
        3_600,
      ),
    ),
    startDeadlineSeconds: startDeadline(),
    ttlSecondsAfterFinished: timeToLive,
    follows: Type.Optional(
      object(
        'Written by Vireo: the Migration behind which this guest goes to the same host, as strict rules keep the two together.',
        {
          namespace: dnsLabel('Its namespace.'),
          name: dnsLabel('Its name.'),
          guest: object('The guest it moves.', {
            kind: oneOf(['VirtualMachine', 'Container'], 'Kind of the guest.'),
            name: dnsLabel('Name of the guest.'),
          }),
        },
      ),
    ),
  },
  [
    ...fixed(
      [],
      ['guest', 'type', 'storage', 'autoConverge', 'allowPostCopy', 'channels', 'compression', 'follows'],
    ),
    {
      rule: "!has(self.allowPostCopy) || !self.allowPostCopy || ((!has(self.channels) || self.channels == 1) && (!has(self.compression) || self.compression != 'Zstd'))",
      message: 'goes with one channel only, and not with Zstd',
      fieldPath: '.allowPostCopy',
    },
    {
      rule: '!has(self.follows) || !has(self.targetHost)',
      message: 'goes where the Migration goes that it follows: leave it out',
      fieldPath: '.targetHost',
    },
    {
      rule: 'has(self.targetHost) == has(oldSelf.targetHost) && (!has(self.targetHost) || self.targetHost == oldSelf.targetHost)',
      message: 'cannot be changed: delete the object to cancel, and make another',
      fieldPath: '.targetHost',
    },
  ],
);

export const migrationPhase = oneOf(
  [
    'Pending',
    'Preparing',
    'Copying',
    'Synchronizing',
    'HandingOver',
    'Succeeded',
    'Failed',
    'Cancelled',
    'Skipped',
  ],
  'How far it is. Until HandingOver the guest is the source host. Skipped: a restored copy, never executed.',
);

const endpoint = {
  address: text('Address of the host.', 64),
  port: integer('TCP port.', 1, 65_535),
};

const status = object('How far it is.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(migrationPhase),
  type: Type.Optional(oneOf(['Live', 'Offline'], 'How the guest is moved.')),
  mode: Type.Optional(
    oneOf(['PostCopy'], 'PostCopy: the guest went on on the target before all its memory was there.'),
  ),
  sourceHost: Type.Optional(objectName('Host the guest was on when the move was assigned.')),
  targetHost: Type.Optional(objectName('Host it moves to.')),
  guestUID: Type.Optional(text('metadata.uid of the guest that is moved.', 64)),
  epoch: Type.Optional(
    Type.Integer({
      description: "Epoch of the guest's placement on the source; the hand-over makes it one more.",
      format: 'int64',
      minimum: 1,
    }),
  ),
  assignedAt: Type.Optional(time('When both hosts were told.')),
  cancel: Type.Optional(
    object('The cluster asks the source to give up; followed unless the guest has been handed over.', {
      reason: text('Constant reason in CamelCase.', 64),
      message: text('Why.', 1024),
    }),
  ),
  source: Type.Optional(
    object('What the source host says.', {
      state: oneOf(
        ['Offering', 'Stopped', 'HandedOver', 'Disconnected', 'Lost', 'Stayed', 'Released'],
        "Offering: the target may fetch the guest's state. Stopped: the guest is off for the move. HandedOver: the target is the guest's host. " +
          'Disconnected: memory that follows the guest does not come through. Lost: that memory is gone. ' +
          'Stayed: the guest runs on here as before. Released: nothing of the guest is left here.',
      ),
      place: Type.Optional(object("Where the guest's state is fetched.", endpoint)),
    }),
  ),
  target: Type.Optional(
    object('What the target host says.', {
      state: oneOf(
        ['Preparing', 'Precopied', 'Ready', 'Arrived', 'Listening', 'Settled', 'Failed', 'Cleaned'],
        'Preparing: makes what the guest needs. Precopied: has what can be copied before an offline move stops the guest. Ready: the guest may come. Arrived: it runs here, and memory still follows. Listening: that memory is awaited anew at this place. Settled: the guest is at home here. Failed: it cannot take the guest. ' +
          'Cleaned: nothing of the guest is left here.',
      ),
      place: Type.Optional(
        object('Where a running guest is received.', {
          ...endpoint,
          disks: Type.Optional(
            object('Where its disks are received; absent when they are shared.', {
              port: integer('TCP port.', 1, 65_535),
              exports: mapList(
                object('One disk.', {
                  name: dnsLabel('Name of the disk.'),
                  export: text('Name of the export.', 128),
                }),
                ['name'],
                64,
                'Exports by disk.',
              ),
            }),
          ),
        }),
      ),
      reason: Type.Optional(text('Constant reason when it failed.', 64)),
      message: Type.Optional(text('What happened, and what to do.', 1024)),
    }),
  ),
  progress: Type.Optional(
    object('Bytes of disks and memory; written when they have moved by more than 1 %.', {
      transferredBytes: Type.Integer({ description: 'Sent.', format: 'int64', minimum: 0 }),
      remainingBytes: Type.Integer({ description: 'Still to send.', format: 'int64', minimum: 0 }),
    }),
  ),
  startedAt: Type.Optional(time('When the source began.')),
  completedAt: Type.Optional(time('When it ended.')),
  totalMilliseconds: Type.Optional(
    Type.Integer({ description: 'From the beginning until the guest ran on the target.', minimum: 0 }),
  ),
  downtimeMilliseconds: Type.Optional(
    Type.Integer({ description: 'How long the guest stood still or was off, measured.', minimum: 0 }),
  ),
  message: Type.Optional(text('What happened.', 1024)),
});

export type MigrationSpec = Static<typeof spec>;
export type MigrationStatus = Static<typeof status>;
export type MigrationPhase = Static<typeof migrationPhase>;
export type Migration = KubeObject<MigrationSpec, MigrationStatus>;

export const Migration = defineKind<Migration>({
  kind: 'Migration',
  plural: 'migrations',
  namespaced: true,
  shortNames: ['mig'],
  description: 'One move of a guest to another host.',
  spec,
  status,
  columns: [
    jobColumns.guest,
    { name: 'From', type: 'string', jsonPath: '.status.sourceHost', description: 'Source.' },
    { name: 'To', type: 'string', jsonPath: '.status.targetHost', description: 'Target.' },
    jobColumns.phase,
    {
      name: 'Downtime',
      type: 'integer',
      jsonPath: '.status.downtimeMilliseconds',
      description: 'Milliseconds the guest stood still.',
    },
    jobColumns.message,
    jobColumns.age,
  ],
  selectable: [
    '.status.sourceHost',
    '.status.targetHost',
    '.spec.guest.name',
    '.spec.guest.kind',
    '.status.phase',
  ],
});

/** True when nothing will happen any more, whatever it came to. */
export function isOver({ status }: Pick<Migration, 'status'>): boolean {
  return status?.completedAt !== undefined;
}
