/** What VirtualMachine and Container have in common: how they run, where they are placed, what their status says. */

import { guestAvailability } from './availability.ts';
import {
  atomicList,
  bytes,
  conditions,
  dnsLabel,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  stringMap,
  Type,
  text,
  time,
  union,
} from './fields.ts';
import { guestHa, guestHaStatus, lifeFields } from './ha.ts';
import { guestMaintenance } from './maintenance.ts';
import { placement } from './placement.ts';

export const runStrategy = oneOf(
  ['Always', 'RerunOnFailure', 'Manual', 'Halted'],
  'Always: runs, whatever happens. RerunOnFailure: runs and is started again after a crash, stays off after its own power-off. ' +
    'Manual: started and stopped by Operation objects only. Halted: stays off.',
  'Always',
);

const dependency = object('A guest that is to be there first.', {
  kind: oneOf(['VirtualMachine', 'Container'], 'Kind.'),
  name: dnsLabel('Name, in the same namespace.'),
  condition: oneOf(
    ['Ready', 'AgentConnected'],
    'Ready: it runs as declared. AgentConnected: the guest agent in the machine answers, so that it has booted.',
  ),
  timeoutSeconds: Type.Optional(
    integer('After so long the guest is started without it, and says so; 600 when absent.', 1, 86_400),
  ),
});

export type Dependency = Static<typeof dependency>;

export const guestSpecFields = {
  runStrategy: Type.Optional(runStrategy),
  restartToken: Type.Optional(
    text(
      'Any string; a change of it restarts the running guest once. How a Git repository restarts a guest.',
      128,
    ),
  ),
  placement: Type.Optional(placement),
  ha: Type.Optional(guestHa),
  dependsOn: Type.Optional(
    mapList(
      dependency,
      ['kind', 'name'],
      16,
      'Guests, on whatever host, after which it is started: each time, also after a crash or the loss of a host.',
    ),
  ),
  shutdown: Type.Optional(
    object('How the guest is stopped.', {
      timeoutSeconds: Type.Optional(integer('Seconds an orderly shutdown may take.', 1, 3600, 60)),
      force: Type.Optional(
        oneOf(
          ['AfterTimeout', 'Never'],
          'What follows when the guest has not shut down in time.',
          'AfterTimeout',
        ),
      ),
    }),
  ),
  updatePolicy: Type.Optional(
    object('What happens with changes that cannot be made while the guest runs.', {
      restart: Type.Optional(
        oneOf(
          ['Manual', 'Automatic'],
          'Manual: they wait in status.pendingChanges. Automatic: the guest is restarted.',
          'Manual',
        ),
      ),
    }),
  ),
  deletionPolicy: Type.Optional(
    oneOf(
      ['Delete', 'Retain'],
      'Whether volumes go with the guest. Retain goes before reclaimPolicy.',
      'Delete',
    ),
  ),
};

/** A Snapshot that a volume is made from. */
export const snapshotSource = object(
  'What a Snapshot in this namespace holds, on the host and in the pool where it lies.',
  {
    name: objectName('Name of the Snapshot.'),
    disk: Type.Optional(dnsLabel('Disk in it; the one of the same name when absent.')),
  },
);

/** A Backup that a volume is made from. */
export const backupSource = object(
  'What the archive of a Backup in this namespace holds, on the host where it lies.',
  {
    name: objectName('Name of the Backup.'),
    disk: Type.Optional(dnsLabel('Disk in it; the one of the same name when absent.')),
  },
);

/** One network interface's place to plug in: exactly one member of it is set. */
export const nicTarget = {
  bridge: object("An existing bridge of the host, named in the host's allow-list.", {
    name: text('Name of the bridge.', 15, { pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$' }),
  }),
  nat: object("The host's own NAT network with DHCP and DNS.", {}),
};

export const mac = text("MAC address; derived from the guest's identity when absent.", 17, {
  pattern: '^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$',
});

export const guestPhase = oneOf(
  [
    'Pending',
    'Provisioning',
    'Starting',
    'Running',
    'Paused',
    'Migrating',
    'Stopping',
    'Stopped',
    'CrashLoopBackOff',
    'Terminating',
    'Unknown',
  ],
  'Where the guest is in its life, in one word.',
);

export const guestStatusFields = {
  observedGeneration,
  phase: Type.Optional(guestPhase),
  conditions,
  placement: Type.Optional(
    object('The host that may run the guest; moves only by compare-and-swap, epoch only grows.', {
      host: objectName('Name of the Host.'),
      epoch: Type.Integer({ description: 'Counts placements of this guest.', format: 'int64', minimum: 1 }),
      since: time('When this placement was made.'),
      // Of guests with `ha` alone: a host starts such a guest only while this is its own life, by a consistent read.
      bootID: Type.Optional(lifeFields.bootID),
      term: Type.Optional(lifeFields.term),
    }),
  ),
  ha: Type.Optional(guestHaStatus),
  availability: Type.Optional(guestAvailability),
  maintenance: Type.Optional(guestMaintenance),
  uuid: Type.Optional(
    text('Identity of the guest (SMBIOS uuid), derived from cluster id, kind, namespace and name.', 36),
  ),
  runRequest: Type.Optional(
    object('The last Start or Stop asked for by an Operation, or by the guest itself powering off.', {
      action: oneOf(['Start', 'Stop'], 'What was asked for.'),
      by: text('operation/NAME, or guest for its own power-off.', 128),
      at: time('When it was accepted.'),
    }),
  ),
  restartedFor: Type.Optional(text('The restartToken the guest was last started or restarted with.', 128)),
  effective: Type.Optional(stringMap('Values resolved by Vireo, such as the versioned machine type.', 32)),
  pendingChanges: Type.Optional(
    atomicList(
      object('One difference between what runs and the spec.', {
        path: text('Field of the object, such as spec.cpu.cores.', 253),
        from: text('What runs.', 253),
        to: text('What the spec says.', 253),
        class: oneOf(['Live', 'Restart', 'Migrate', 'Recreate'], 'What applying it takes.'),
      }),
      64,
      'Changes that wait; empty again when they are applied or taken back.',
    ),
  ),
  volumes: Type.Optional(
    mapList(
      object('One volume of the guest.', {
        name: dnsLabel('Name of the disk, rootfs or mount.'),
        pool: objectName('StoragePool.'),
        id: text('Name of the volume in the pool.', 128),
        size: Type.Optional(bytes('Size the guest sees.')),
      }),
      ['name'],
      64,
      'Volumes that exist.',
    ),
  ),
  networks: Type.Optional(
    mapList(
      object('One network interface.', {
        name: dnsLabel('Name of the interface in the spec.'),
        mac: text('MAC address in use.', 17),
        addresses: Type.Optional(atomicList(text('IP address.', 64), 16, 'Addresses seen on the interface.')),
      }),
      ['name'],
      32,
      'Interfaces that exist.',
    ),
  ),
  console: Type.Optional(
    object('Where the consoles are on the host.', {
      serial: Type.Optional(text('Unix socket or terminal of the serial console.', 108)),
      vnc: Type.Optional(text('Unix socket that speaks RFB.', 108)),
    }),
  ),
  lock: Type.Optional(
    object('Work that nothing else may overlap with; absent when there is none.', {
      operation: oneOf(['Migration', 'Snapshot', 'Rollback', 'Backup', 'Restore'], 'What is under way.'),
      since: time('When it began.'),
      reason: text('The object it is done for.', 320),
    }),
  ),
  lastBackup: Type.Optional(
    object('The newest Backup of this guest that is whole, as far as is known.', {
      name: objectName('Name of the Backup.'),
      takenAt: time('The moment it shows.'),
      consistency: Type.Optional(oneOf(['Crash', 'Filesystem'], 'What can be expected of it.')),
      verifiedAt: Type.Optional(time('When a Verify last found it whole.')),
    }),
  ),
  startFailure: Type.Optional(
    object('Starts that failed or ended in a crash, since the last that held.', {
      count: integer('How many in a row.', 0, 1_000_000),
      epoch: Type.Optional(
        Type.Integer({ description: 'Of the placement it has there.', format: 'int64', minimum: 0 }),
      ),
      retryAfter: Type.Optional(time('Not started again before.')),
    }),
  ),
  phaseTransitions: Type.Optional(
    atomicList(
      object('One change of phase.', { phase: guestPhase, at: time('When.') }),
      16,
      'The last changes of phase, oldest first.',
    ),
  ),
};

export type RunStrategy = Static<typeof runStrategy>;

/** What the guest's run strategy comes to: while high availability is Disabled for it, it stays off. */
export function strategyOf({ runStrategy, ha }: Pick<GuestSpec, 'runStrategy' | 'ha'>): RunStrategy {
  return ha?.mode === 'Disabled' ? 'Halted' : (runStrategy ?? 'Always');
}

export type GuestPhase = Static<typeof guestPhase>;
const guestSpec = object('', guestSpecFields);
const guestStatus = object('', guestStatusFields);
export type GuestSpec = Static<typeof guestSpec>;
export type GuestStatus = Static<typeof guestStatus>;
export { union };
