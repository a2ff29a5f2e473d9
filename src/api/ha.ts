/** What guests and hosts say about high availability: what is asked of a guest, and what the manager stores of guests and hosts. */
import { DURATION_PATTERN } from '../base/duration.ts';
import {
  atomicList,
  flag,
  integer,
  object,
  objectName,
  oneOf,
  type Static,
  setList,
  Type,
  text,
  time,
} from './fields.ts';

/** A life of a host: one boot between two self-fences. Placements of guests with `ha` and proofs are bound to it. */
export const lifeFields = {
  bootID: text('Boot id of the kernel.', 36),
  term: Type.Integer({
    description: 'Grows at each boot and each self-fence.',
    format: 'int64',
    minimum: 0,
  }),
};

/** How long a guest that does not start is tried: of guests, and of HAGroups for theirs. */
export const startLimits = {
  maxRestart: Type.Optional(
    integer(
      'Starts that fail on one host are repeated so often before the guest goes to another; 1 when only maxRelocate is set. Without both its host tries for ever.',
      0,
      100,
    ),
  ),
  maxRelocate: Type.Optional(
    integer('So often it goes to another host, then it is in Error; 1 when only maxRestart is set.', 0, 32),
  ),
};

/** `spec.ha` of guests. */
export const guestHa = object(
  'The guest runs elsewhere when its host is lost; without this it waits for its host.',
  {
    mode: Type.Optional(
      oneOf(
        ['Protected', 'Disabled', 'Ignored'],
        'Protected: killed by a host that cannot be heard, and started elsewhere once that is proven. Disabled: stopped in order, whatever runStrategy says, and left off where it is; the way out of Error. Ignored: left alone, running or not.',
        'Protected',
      ),
    ),
    group: Type.Optional(
      objectName(
        'HAGroup that says which hosts are preferred; without it the first by name whose guestSelector selects the guest.',
      ),
    ),
    priority: Type.Optional(
      integer('Guests with more come first when hosts are lost; 0 when absent.', -1_000, 1_000),
    ),
    ...startLimits,
  },
);

/**
 * `status.ha` of guests, written by the manager. While it stands, or while the guest is protected and there is a ClusterPolicy, its host starts it
 * only if a consistent read shows `status.placement` with this host and its present life: also when `spec.ha` is gone already.
 */
export const guestHaStatus = object('What high availability makes of the guest.', {
  state: oneOf(
    ['Stopped', 'Starting', 'Started', 'Stopping', 'Fencing', 'Recovering', 'Frozen', 'Error', 'Disabled'],
    'Fencing: its host may be lost. Recovering: its host is proven dead, and a host is chosen. Frozen: its host restarts in order, and it waits for it. Error: it does not start; it is tried again after it was Disabled, or Halted, for a moment.',
  ),
  epoch: Type.Integer({
    description: 'Of the placement that this is about; another one was made by somebody else since.',
    format: 'int64',
    minimum: 1,
  }),
  reason: Type.Optional(text('Why it waits, as a constant.', 64)),
  message: Type.Optional(text('The same for people.', 1024)),
  attempts: Type.Optional(
    atomicList(
      object('Starts that failed on one host.', {
        host: objectName('Name of the Host.'),
        epoch: Type.Integer({ description: 'Of the placement.', format: 'int64', minimum: 1 }),
        failures: integer('How many, in a row.', 1, 1_000_000),
        to: Type.Optional(objectName('Host it was sent to after that.')),
      }),
      64,
      'Where it did not start, since it last did.',
    ),
  ),
});

/** `status.ha` of Hosts, written by the manager alone: a new leader goes on from it. */
export const hostHaStatus = object('What high availability makes of the host; absent while it is off.', {
  state: oneOf(
    ['Online', 'Maintenance', 'Suspect', 'Fencing', 'Fenced', 'Offline'],
    'Suspect: it is silent. Fencing: its guests may be lost with it. Fenced: it is proven that they are dead. Offline: it was shut down in order, and said that nothing runs there.',
  ),
  life: Type.Optional(object('The life it was last seen in.', lifeFields)),
  machineID: Type.Optional(
    text('Machine that had this life, machine-id(5): the boot of another is no proof of its end.', 64),
  ),
  reason: Type.Optional(text('What a person should look at, as a constant.', 64)),
  message: Type.Optional(text('The same for people.', 1024)),
  incidents: Type.Optional(integer('How many there were, for their names.', 0, 2_147_483_647)),
  incident: Type.Optional(
    object('The silence that is looked into.', {
      id: text('Name; FenceActions are named after it.', 253),
      ...lifeFields,
      reached: Type.Optional(flag('Peers heard it when it fell silent: its power is left alone.')),
      since: time('When it began; for people, nothing is measured by it.'),
    }),
  ),
  proof: Type.Optional(
    object('Why it is certain that nothing of this life runs any more.', {
      kind: oneOf(
        ['PowerOff', 'SelfFence', 'NewBoot', 'OrderlyStop', 'Manual', 'StorageRevoked'],
        'What proves it. StorageRevoked: only that the guests it covers write nothing any more; the incident stays open.',
      ),
      incident: text('Incident it belongs to.', 253),
      ...lifeFields,
      covers: Type.Optional(
        setList(text('UID@EPOCH.', 96), 1_024, 'Guests it speaks of; all of the host when absent.'),
      ),
      at: time('When it was found; for people.'),
    }),
  ),
  revoked: Type.Optional(
    text(
      'Boot in which storage was taken from it, or may have been: it takes guests again in another one. Written before anybody is asked to.',
      36,
    ),
  ),
});

/** `status.keeper` of Hosts, written by the agent in the same write as `status.guests`: the life these speak of. */
export const hostKeeper = object('What kills guests with `ha` when the host cannot be heard.', {
  ...lifeFields,
  watchdog: oneOf(
    ['Armed', 'Ready', 'None'],
    'Armed: a device resets the host when its keeper is stuck. Ready: there is one, armed with the first guest that is guarded. None: a self-fence counts only where the ClusterPolicy allows it.',
  ),
  selfFencedAt: Type.Optional(time('When guests were last killed because nobody heard the host.')),
});

/** `status.shutdown` of Hosts, written by the agent alone: the host goes down in order. */
export const hostShutdown = object(
  'The host goes down, or has gone down, in order; nothing is started or moved there.',
  {
    kind: oneOf(['Reboot', 'PowerOff'], 'Whether it comes back by itself.'),
    bootID: text('Boot id of the life that ends.', 36),
    term: Type.Integer({
      description: 'Its term; 0 without high availability.',
      format: 'int64',
      minimum: 0,
    }),
    since: time('When the agent announced it.'),
    stoppedAt: Type.Optional(
      time('No guest of this life runs any more, and none will: high availability needs no other proof.'),
    ),
  },
);

/** `spec.fencing` of Hosts. */
export const hostFencing = object('How the host is cut off when it may be lost.', {
  delay: Type.Optional(
    text(
      'Its devices are told so long after it is suspect, for example 3s: the other of two that lose each other is cut off first. Nothing else waits for it.',
      16,
      { pattern: DURATION_PATTERN },
    ),
  ),
  levels: Type.Optional(
    atomicList(
      object('Devices that together cut it off.', {
        devices: setList(
          objectName('Name of the FenceDevice.'),
          8,
          'All of them must say that the host is off.',
        ),
      }),
      4,
      'The next is tried when one has failed. When absent each FenceDevice that names the host is a level, by name.',
    ),
  ),
});

export type GuestHa = Static<typeof guestHa>;
export type GuestHaStatus = Static<typeof guestHaStatus>;
export type HostHaStatus = Static<typeof hostHaStatus>;
export type HostShutdown = Static<typeof hostShutdown>;

/** True for guests that a keeper guards and the manager recovers. */
export function isProtected(ha: GuestHa | undefined): boolean {
  return ha !== undefined && ha.mode !== 'Ignored';
}
