/** HAGroup: which hosts guests with `ha` prefer, or may run on at all. */
import { groupAvailability } from '../availability.ts';
import {
  atomicList,
  conditions,
  flag,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  type Static,
  Type,
  text,
} from '../fields.ts';
import { startLimits } from '../ha.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'Hosts, and how much they bind.',
  {
    hosts: mapList(
      object('A host of the group.', {
        name: objectName('Name of the Host.'),
        priority: Type.Optional(integer('Higher is preferred; 0 when absent.', -1_000, 1_000)),
      }),
      ['name'],
      64,
      'Hosts its guests go to first.',
    ),
    restricted: Type.Optional(
      flag(
        'Its guests are placed, moved and recovered on these hosts only, and wait while none of them can take them.',
        false,
      ),
    ),
    failback: Type.Optional(
      flag(
        'A guest that runs moves back to a host of higher priority once that can take it: live where it can, else with a stop.',
        false,
      ),
    ),
    ...startLimits,
    hostFailuresToTolerate: Type.Optional(
      integer(
        'So many hosts may be lost at once, and each guest of the group still finds another: rehearsed again and again, and said in the condition HostFailuresTolerated; who would take that room is not placed. 0: the loss of each host is rehearsed, nothing is asked of it. Without it nothing is rehearsed.',
        0,
        3,
      ),
    ),
  },
  [{ rule: 'size(self.hosts) > 0', message: 'hosts must name one host at least' }],
);

const status = object('Whether it can be followed.', {
  observedGeneration,
  conditions,
  availability: Type.Optional(groupAvailability),
  rehearsal: Type.Optional(
    mapList(
      object('The loss of one host, as it would end now.', {
        host: objectName('The Host that would be lost.'),
        guests: integer('Guests of the group that would be lost with it.', 0, 1_000_000),
        waiting: integer('Of these, those that no other host could take.', 0, 1_000_000),
        moves: atomicList(
          object('What would become of a guest.', {
            guest: text('`KIND/NAMESPACE/NAME`.', 400),
            to: Type.Optional(objectName('The Host it would be started on.')),
            reason: Type.Optional(text('Why it would wait.', 4_096)),
          }),
          50,
          'Where each would be started, those first that would wait.',
        ),
      }),
      ['host'],
      1_000,
      'Where its guests would go if the host they run on was lost.',
    ),
  ),
});

export type HAGroupSpec = Static<typeof spec>;
export type HAGroupStatus = Static<typeof status>;
export type HAGroup = KubeObject<HAGroupSpec, HAGroupStatus>;

export const HAGroup = defineKind<HAGroup>({
  kind: 'HAGroup',
  plural: 'hagroups',
  namespaced: false,
  shortNames: ['hag'],
  description: 'Hosts that guests with ha prefer, or are bound to.',
  spec,
  status,
  columns: [
    {
      name: 'Ready',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].status",
      description: 'All its hosts exist.',
    },
    {
      name: 'Tolerates',
      type: 'integer',
      jsonPath: '.spec.hostFailuresToTolerate',
      description: 'Host failures to tolerate.',
    },
    {
      name: 'Tolerated',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='HostFailuresTolerated')].status",
      description: 'All its guests would find another host.',
    },
    { name: 'Restricted', type: 'boolean', jsonPath: '.spec.restricted', description: 'Only these hosts.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
