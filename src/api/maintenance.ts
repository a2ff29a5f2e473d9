/** Emptying a host before work on it: what is asked of the Host, what it has come to, and what is remembered on each guest. */
import {
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
} from './fields.ts';

/** `spec.maintenance` of a Host. */
export const maintenance = object('Empties the host; guests come back when it is over.', {
  enabled: flag('The host is to be emptied and takes nobody.'),
  reason: Type.Optional(text('Why, for people.', 256)),
  policy: Type.Optional(
    oneOf(
      ['Migrate', 'Stop', 'Leave'],
      'Migrate: running machines move without a stop, containers and guests that are off stop, move and start. ' +
        'Stop: guests are shut down and started again afterwards. Leave: guests stay as they are.',
      'Migrate',
    ),
  ),
  fallback: Type.Optional(
    oneOf(
      ['Leave', 'Stop'],
      'What becomes of guests that have not moved by the deadline. Leave: they run on. Stop: they are shut down and started again afterwards.',
      'Leave',
    ),
  ),
  deadlineSeconds: Type.Optional(
    integer('Moves that have not begun so long after the beginning are given up.', 1, 604_800, 3_600),
  ),
  parallel: Type.Optional(integer('Guests that leave at the same time.', 1, 16, 2)),
});

/** `status.maintenance` of a Host. */
export const maintenanceStatus = object('How far the host is emptied.', {
  since: time('When it began.'),
  guests: mapList(
    object('A guest that is still to leave, or is kept off for as long.', {
      kind: oneOf(['VirtualMachine', 'Container'], 'Kind.'),
      namespace: objectName('Namespace.'),
      name: objectName('Name.'),
      state: oneOf(
        ['Waiting', 'Moving', 'Blocked', 'Stopping', 'Stopped', 'Left'],
        'Blocked: it cannot move, see message. Left: it runs on, by policy or fallback.',
      ),
      message: Type.Optional(text('Why, and what to do.', 1024)),
    }),
    ['kind', 'namespace', 'name'],
    256,
    'Guests of the host, as far as they fit; those that have left are not among them.',
  ),
});

/** `status.maintenance` of a guest. */
export const guestMaintenance = object('What a maintenance did to the guest, until that is undone.', {
  host: objectName('The host in maintenance: the guest comes back to it.'),
  action: oneOf(['Move', 'Stop'], 'Move: it goes to another host. Stop: it is kept off on this host.'),
  since: time('When it was decided.'),
  epoch: Type.Optional(
    Type.Integer({
      description: 'Epoch of the placement it was moved to; with another one a person has moved it since.',
      format: 'int64',
      minimum: 1,
    }),
  ),
});

export type MaintenanceStatus = Static<typeof maintenanceStatus>;
export type MaintenanceGuest = MaintenanceStatus['guests'][number];
export type GuestMaintenance = Static<typeof guestMaintenance>;
