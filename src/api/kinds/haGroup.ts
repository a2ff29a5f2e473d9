/** HAGroup: which hosts guests with `ha` prefer, or may run on at all. */
import {
  conditions,
  flag,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  type Static,
  Type,
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
  },
  [{ rule: 'size(self.hosts) > 0', message: 'hosts must name one host at least' }],
);

const status = object('Whether it can be followed.', { observedGeneration, conditions });

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
    { name: 'Restricted', type: 'boolean', jsonPath: '.spec.restricted', description: 'Only these hosts.' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
