/** Container: a system container under LXC that shares the host's kernel. */
import {
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
} from '../fields.ts';
import {
  backupSource,
  guestSpecFields,
  guestStatusFields,
  mac,
  nicTarget,
  snapshotSource,
} from '../guest.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const network = object(
  'A network interface (veth): exactly one of bridge, nat.',
  {
    name: dnsLabel('Name of the interface inside the container, unique there.', 15),
    bridge: Type.Optional(nicTarget.bridge),
    nat: Type.Optional(nicTarget.nat),
    mac: Type.Optional(mac),
    mtu: Type.Optional(integer('Largest packet in bytes.', 576, 65520)),
  },
  [
    {
      rule: '(has(self.bridge) ? 1 : 0) + (has(self.nat) ? 1 : 0) == 1',
      message: 'exactly one of bridge, nat must be set',
    },
    // LXC gives no interface a name of one character, and lo is there already.
    {
      rule: "size(self.name) > 1 && self.name != 'lo'",
      message: 'name must have 2 to 15 characters and not be lo',
    },
  ],
);

const spec = object(
  'What the container is to be.',
  {
    ...guestSpecFields,
    image: objectName('Image of kind ContainerRootfs the root file system is made from.'),
    rootfs: object('The root file system.', {
      pool: objectName('StoragePool that holds it.'),
      size: Type.Optional(
        bytes(
          'Most that it may hold, changed while it runs; needs a pool of type Btrfs. As much as the pool has when absent.',
        ),
      ),
      source: Type.Optional(
        object(
          'What it is made from instead of the image.',
          { snapshot: Type.Optional(snapshotSource), backup: Type.Optional(backupSource) },
          [
            {
              rule: '!(has(self.snapshot) && has(self.backup))',
              message: 'only one of snapshot, backup may be set',
            },
          ],
        ),
      ),
      reclaimPolicy: Type.Optional(
        oneOf(['Delete', 'Retain'], 'Whether it goes with the container; Delete when absent.'),
      ),
    }),
    unprivileged: Type.Optional(
      flag('Root inside is an ordinary user outside. Cannot be changed later.', true),
    ),
    hostname: Type.Optional(dnsLabel('Host name inside; the name of the object when absent.')),
    cpu: Type.Optional(
      object('Processors.', {
        cores: Type.Optional(
          integer("As many CPUs' worth of time it may use at most; unlimited when absent.", 1, 1024),
        ),
        limit: Type.Optional(
          text('CPU time as a quantity: 500m is half a CPU. Unlimited when absent.', 12, {
            pattern: '^([1-9][0-9]{0,6}m|[0-9]{1,4}(\\.[0-9]{1,3})?)$',
          }),
        ),
      }),
    ),
    memory: Type.Optional(bytes('Memory it may use; unlimited when absent.')),
    swap: Type.Optional(bytes('Swap it may use beyond memory; none when absent.')),
    pidsLimit: Type.Optional(integer('How many processes and threads it may have.', 16, 4_194_304)),
    networks: Type.Optional(mapList(network, ['name'], 8, 'Network interfaces.')),
  },
  [
    {
      rule: 'self.image == oldSelf.image',
      message: 'the image of a container cannot be changed: make a new container',
      fieldPath: '.image',
    },
    {
      rule: 'self.unprivileged == oldSelf.unprivileged',
      message: 'cannot be changed',
      fieldPath: '.unprivileged',
    },
  ],
);

const status = object('What the container is.', guestStatusFields);

export type ContainerSpec = Static<typeof spec>;
export type ContainerStatus = Static<typeof status>;
export type Container = KubeObject<ContainerSpec, ContainerStatus>;

export const Container = defineKind<Container>({
  kind: 'Container',
  plural: 'containers',
  namespaced: true,
  shortNames: ['ct'],
  description: "A system container: a whole userland with its own init, run by LXC on the host's kernel.",
  spec,
  status,
  columns: [
    {
      name: 'Phase',
      type: 'string',
      jsonPath: '.status.phase',
      description: 'Where the container is in its life.',
    },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'As declared.',
    },
    {
      name: 'Host',
      type: 'string',
      jsonPath: '.status.placement.host',
      description: 'Host it is placed on.',
    },
    {
      name: 'Address',
      type: 'string',
      jsonPath: '.status.networks[0].addresses[0]',
      description: 'First address.',
    },
    {
      name: 'Strategy',
      type: 'string',
      jsonPath: '.spec.runStrategy',
      description: 'Run strategy.',
      priority: 1,
    },
    { name: 'Image', type: 'string', jsonPath: '.spec.image', description: 'Image.', priority: 1 },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      description: 'Why it is or is not ready.',
      priority: 1,
    },
    {
      name: 'Last Backup',
      type: 'date',
      jsonPath: '.status.lastBackup.takenAt',
      description: 'Age of the newest whole backup.',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
  selectable: ['.status.placement.host', '.status.phase'],
});
