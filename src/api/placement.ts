/** Where guests may run, in the words of the Kubernetes scheduler: selectors, taints and tolerations, guests that keep together or apart. */
import {
  atomicList,
  dnsLabel,
  integer,
  object,
  objectName,
  oneOf,
  type Static,
  stringMap,
  Type,
  text,
} from './fields.ts';

const KEY = '^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$';

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ without NoExecute: maintenance empties a host. */
export const taintEffect = oneOf(
  ['NoSchedule', 'PreferNoSchedule'],
  'NoSchedule: only guests that tolerate it are placed here. PreferNoSchedule: others only where nothing else fits.',
);

const taint = object('Keeps guests away that do not tolerate it.', {
  key: text('Key.', 317, { pattern: KEY, minLength: 1 }),
  value: Type.Optional(text('Value.', 63)),
  effect: taintEffect,
});

/** Taints of a Host. */
export const taints = atomicList(taint, 32, 'Keep guests away that do not tolerate them; those here stay.');

const toleration = object(
  'Taints of hosts that do not keep the guest away.',
  {
    key: Type.Optional(text('Key of the taint; all keys when absent, with operator Exists.', 317)),
    operator: Type.Optional(oneOf(['Equal', 'Exists'], 'Equal, also when absent: value must be the same.')),
    value: Type.Optional(text('Value of the taint.', 63)),
    effect: Type.Optional(
      oneOf(['NoSchedule', 'PreferNoSchedule'], 'Only taints of this effect; all when absent.'),
    ),
  },
  [
    {
      rule: "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
      message: 'without key the operator must be Exists',
    },
    {
      rule: "!(has(self.value) && has(self.operator) && self.operator == 'Exists')",
      message: 'operator Exists takes no value',
    },
  ],
);

const neighbour = object(
  'One guest, or all with these labels, in the same namespace.',
  {
    policy: oneOf(
      ['Required', 'Preferred'],
      'Required: the guest rather waits. Preferred: as far as it can be had.',
    ),
    guest: Type.Optional(
      object('This guest.', {
        kind: oneOf(['VirtualMachine', 'Container'], 'Kind.'),
        name: dnsLabel('Name.'),
      }),
    ),
    matchLabels: Type.Optional(stringMap('Guests with all of these labels.', 8)),
  },
  [
    {
      rule: 'has(self.guest) != has(self.matchLabels)',
      message: 'exactly one of guest, matchLabels must be set',
    },
    {
      rule: '!has(self.matchLabels) || size(self.matchLabels) > 0',
      message: 'matchLabels must name at least one label',
    },
  ],
);

/** `spec.placement` of guests. */
export const placement = object(
  'Where the guest may run.',
  {
    host: Type.Optional(objectName('Only on this Host.')),
    hostSelector: Type.Optional(stringMap('Only on Hosts with all of these labels.', 16)),
    tolerations: Type.Optional(atomicList(toleration, 32, 'Taints of Hosts that do not keep it away.')),
    keepTogether: Type.Optional(
      atomicList(neighbour, 16, 'On the host of these guests; the first of them is free to choose.'),
    ),
    keepApart: Type.Optional(
      atomicList(neighbour, 16, 'Not on a host of these guests; holds for both sides, whoever says it.'),
    ),
  },
  [
    {
      // Objects of two lists are of two types to CEL, which compares no two of them: their fields are compared.
      rule: [
        '!has(self.keepTogether) || !has(self.keepApart)',
        "!self.keepTogether.exists(one, one.policy == 'Required' && self.keepApart.exists(other, other.policy == 'Required' && (has(one.guest) ? has(other.guest) && other.guest.kind == one.guest.kind && other.guest.name == one.guest.name : has(other.matchLabels) && other.matchLabels == one.matchLabels)))",
      ].join(' || '),
      message: 'keepTogether and keepApart must not both require the same guests: remove one of the two',
    },
  ],
);

/** How far a Host may be filled. */
export const capacityFields = {
  reserved: Type.Optional(
    object('Kept from guests, beside what the host keeps by its own agent.yaml.', {
      cpu: Type.Optional(text('CPUs, such as 1 or 500m.', 20, { pattern: '^[0-9]+(\\.[0-9]{1,3})?m?$' })),
      memory: Type.Optional(
        text('Memory, such as 2Gi.', 20, {
          pattern: '^[0-9]{1,16}(\\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$',
        }),
      ),
    }),
  ),
  overcommit: Type.Optional(
    object('How much more than it has a host may promise.', {
      cpuPercent: Type.Optional(
        integer('CPUs promised, in percent of those for guests; 1000 when absent.', 100, 100_000),
      ),
      memoryPercent: Type.Optional(
        integer('Memory promised, in percent of that for guests; 100 when absent.', 100, 1_000),
      ),
    }),
  ),
};

export type Taint = Static<typeof taint>;
export type Toleration = Static<typeof toleration>;
export type NeighbourRule = Static<typeof neighbour>;
export type Placement = Static<typeof placement>;
