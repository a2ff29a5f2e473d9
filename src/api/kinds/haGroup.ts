/** HAGroup: which hosts guests with `ha` prefer, or may run on at all, and whether they keep together or apart. */
import { groupAvailability } from '../availability.ts';
import {
  atomicList,
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
  setList,
  stringMap,
  Type,
  text,
} from '../fields.ts';
import { startLimits } from '../ha.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const keep = (description: string) =>
  Type.Optional(
    object(description, {
      policy: oneOf(
        ['Required', 'Preferred'],
        'Required: a guest rather waits. Preferred: as far as it can be had.',
      ),
    }),
  );

const spec = object(
  'Hosts, and how much they bind.',
  {
    guestSelector: Type.Optional(
      object(
        'Guests with ha that name no group themselves and are this are its guests too, beside those that name it; each of them when empty. Of groups that select one guest it belongs to the first by name.',
        {
          kind: Type.Optional(oneOf(['VirtualMachine', 'Container'], 'Of this kind; both when absent.')),
          namespaces: Type.Optional(
            setList(dnsLabel('Name.'), 64, 'In one of these namespaces; in any when absent.'),
          ),
          matchLabels: Type.Optional(stringMap('With all of these labels.', 16)),
        },
      ),
    ),
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
    keepTogether: keep('Its guests run on one host; the first of them is free to choose.'),
    keepApart: keep('No two of its guests run on one host.'),
    ...startLimits,
    hostFailuresToTolerate: Type.Optional(
      integer(
        'So many hosts may be lost at once, and each guest of the group still finds another: rehearsed again and again, and said in the condition HostFailuresTolerated; who would take that room is not placed. 0: the loss of each host is rehearsed, nothing is asked of it. Without it nothing is rehearsed.',
        0,
        3,
      ),
    ),
  },
  [
    { rule: 'size(self.hosts) > 0', message: 'hosts must name one host at least' },
    {
      rule: '!(has(self.keepTogether) && has(self.keepApart))',
      message: 'keepTogether and keepApart contradict each other: remove one of the two',
    },
  ],
);

const status = object('Whether it can be followed.', {
  observedGeneration,
  conditions,
  members: Type.Optional(integer('Guests that belong to it.', 0, 1_000_000)),
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
  description: 'Hosts that guests with ha prefer, or are bound to, together or apart.',
  spec,
  status,
  columns: [
    {
      name: 'Ready',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].status",
      description: 'All its hosts exist.',
    },
    { name: 'Members', type: 'integer', jsonPath: '.status.members', description: 'Its guests.' },
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
