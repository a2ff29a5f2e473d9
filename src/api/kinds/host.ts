/** Host: a machine that runs guests; its agent makes the object and reports here. */
import {
  atomicList,
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
  setList,
  Type,
  text,
  time,
} from '../fields.ts';
import { hostFencing, hostHaStatus, hostKeeper, hostShutdown } from '../ha.ts';
import { shutdownPolicy } from '../haPolicy.ts';
import { defineKind } from '../kind.ts';
import { maintenance, maintenanceStatus } from '../maintenance.ts';
import type { KubeObject } from '../meta.ts';
import { capacityFields, taints } from '../placement.ts';

const spec = object('What is asked of the host.', {
  unschedulable: Type.Optional(flag('No guest is placed here; those here stay.')),
  maintenance: Type.Optional(maintenance),
  taints: Type.Optional(taints),
  votes: Type.Optional(
    integer(
      'Its votes when hosts are judged. When absent: 1 while fewer than seven have any, witnesses first, then by age; else 0.',
      0,
      100,
    ),
  ),
  fencing: Type.Optional(hostFencing),
  shutdownPolicy: Type.Optional(shutdownPolicy),
  ...capacityFields,
  migrations: Type.Optional(
    object('How many guests may move at the same time; more wait for their turn.', {
      leaving: Type.Optional(integer('From this host; 2 when absent.', 0, 64)),
      arriving: Type.Optional(integer('To this host; 2 when absent.', 0, 64)),
    }),
  ),
});

const amounts = {
  cpu: Type.Optional(integer('CPUs.', 0, 65_536)),
  memory: Type.Optional(text('Bytes as a quantity.', 20)),
};

const status = object('What the host is and has.', {
  observedGeneration,
  conditions,
  state: Type.Optional(
    oneOf(
      ['Online', 'Offline', 'Suspect', 'Fencing', 'Fenced'],
      'Whether the host renews its Lease; with high availability, what is made of its silence.',
    ),
  ),
  ha: Type.Optional(hostHaStatus),
  keeper: Type.Optional(hostKeeper),
  shutdown: Type.Optional(hostShutdown),
  maintenance: Type.Optional(maintenanceStatus),
  address: Type.Optional(text('Address other hosts reach it by.', 64)),
  peers: Type.Optional(
    object('Where its agent listens for those of other hosts.', {
      address: text('Address.', 64),
      port: integer('Port.', 1, 65_535),
    }),
  ),
  bootID: Type.Optional(text('Boot id of the kernel (proc(5), random/boot_id).', 36)),
  machineID: Type.Optional(text('machine-id(5).', 64)),
  agentVersion: Type.Optional(text('Version of the agent.', 64)),
  witness: Type.Optional(flag('It votes and runs no guests.')),
  protocolVersion: Type.Optional(
    integer('What the agent expects of the API; a manager understands one more and one less.', 1, 1_000),
  ),
  incarnation: Type.Optional(
    Type.Integer({
      description: 'Highest incarnation of the control plane the agent has seen.',
      format: 'int64',
      minimum: 0,
    }),
  ),
  kernel: Type.Optional(text('Kernel release.', 128)),
  qemu: Type.Optional(text('Version of QEMU; absent when it is missing.', 64)),
  lxc: Type.Optional(text('Version of LXC; absent when it is missing.', 64)),
  cgroup: Type.Optional(oneOf(['V1', 'V2', 'None'], 'Control groups the host has.')),
  cpu: Type.Optional(
    object('Processors.', {
      model: Type.Optional(text('Model name.', 128)),
      vendor: Type.Optional(text('Vendor id.', 64)),
      count: integer('How many.', 1, 65_536),
      virtualization: oneOf(['vmx', 'svm', 'none'], 'Flag of /proc/cpuinfo.'),
      accelerator: oneOf(
        ['kvm', 'tcg', 'simulated', 'none'],
        'What virtual machines run on here, found out by trying.',
      ),
      flags: Type.Optional(atomicList(text('Flag.', 32), 512, 'Flags of /proc/cpuinfo.')),
    }),
  ),
  kernelFeatures: Type.Optional(
    setList(text('Feature.', 64), 64, 'Features of the kernel that guests may need.'),
  ),
  capacity: Type.Optional(object('What the host has.', amounts)),
  allocatable: Type.Optional(object('What guests may have of it.', amounts)),
  allocated: Type.Optional(object('What guests placed here ask for.', amounts)),
  pools: Type.Optional(
    mapList(
      object('A StoragePool on this host.', {
        name: objectName('Name of the StoragePool.'),
        healthy: flag('Can be used.'),
        reason: Type.Optional(text('Constant reason when not.', 64)),
        message: Type.Optional(text('What to do.', 1024)),
        total: Type.Optional(bytes('Size of the file system.')),
        used: Type.Optional(text('In use.', 20)),
        allocated: Type.Optional(text('Promised to volumes.', 20)),
        snapshot: flag('Snapshots of volumes, of some formats at least.'),
        clone: flag('Volumes made from a snapshot.'),
        thin: flag('Thin.'),
        resize: flag('Volumes can grow.'),
        revoke: Type.Optional(flag('It can be taken from another host by this one.')),
      }),
      ['name'],
      64,
      'Pools this host has.',
    ),
  ),
  archives: Type.Optional(
    mapList(
      object('An archive in a pool with importArchives.', {
        archive: text('Name of its directory in the pool.', 128),
        pool: objectName('StoragePool.'),
        guest: object('The guest that was backed up.', {
          kind: oneOf(['VirtualMachine', 'Container'], 'Kind.'),
          namespace: dnsLabel('Namespace.'),
          name: dnsLabel('Name.'),
        }),
        takenAt: time('The moment it shows.'),
      }),
      ['archive'],
      256,
      'The newest.',
    ),
  ),
  images: Type.Optional(
    mapList(
      object('An Image on this host.', {
        name: objectName('Name of the Image.'),
        state: oneOf(['Pending', 'Building', 'Available', 'Failed'], 'How far it is.'),
        reason: Type.Optional(text('Constant reason when it failed.', 64)),
        message: Type.Optional(text('What it is doing, or what to do.', 1024)),
        format: Type.Optional(text('Format.', 16)),
        virtualSize: Type.Optional(text('Size of a disk made from it.', 20)),
        checksum: Type.Optional(text('sha256:HEX.', 80)),
        sourceHash: Type.Optional(text('What it was made from.', 80)),
      }),
      ['name'],
      256,
      'Images this host keeps.',
    ),
  ),
  networks: Type.Optional(
    object('Networks guests can plug into.', {
      bridges: Type.Optional(setList(text('Bridge.', 15), 64, 'Existing bridges of the allow-list.')),
      nat: Type.Optional(text('Subnet of the NAT network once it is in use.', 64)),
    }),
  ),
  guests: Type.Optional(
    // As one whole: its agent alone writes it, and who owns which field of a thousand entries would be longer than they are.
    atomicList(
      object('A guest this host has a record of, running or not.', {
        uuid: text('Identity of the guest.', 36),
        kind: oneOf(['VirtualMachine', 'Container'], 'Kind.'),
        namespace: objectName('Namespace.'),
        name: objectName('Name.'),
        uid: text('metadata.uid of the object it was started for.', 64),
        epoch: Type.Integer({ description: 'Epoch it was placed with.', format: 'int64', minimum: 0 }),
        running: flag('A process of it exists.'),
        load: Type.Optional(
          object(
            'What it uses, smoothed and rounded; written while the ClusterPolicy balances by Load, and again when it has changed by much.',
            {
              cpu: Type.Number({ description: 'CPUs.', minimum: 0, maximum: 65_536 }),
              memory: text('Bytes as a quantity.', 20),
            },
          ),
        ),
      }),
      1024,
      'Inventory: what this host remembers.',
    ),
  ),
  inventoryAt: Type.Optional(time('When the inventory was complete for the present incarnation.')),
});

export type HostSpec = Static<typeof spec>;
export type HostStatus = Static<typeof status>;
export type Host = KubeObject<HostSpec, HostStatus>;

export const Host = defineKind<Host>({
  kind: 'Host',
  plural: 'hosts',
  namespaced: false,
  shortNames: ['vhost'],
  description: 'A machine that runs guests.',
  spec,
  status,
  columns: [
    { name: 'State', type: 'string', jsonPath: '.status.state', description: 'Whether it renews its Lease.' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'Can run guests.',
    },
    { name: 'Accelerator', type: 'string', jsonPath: '.status.cpu.accelerator', description: 'kvm or tcg.' },
    { name: 'CPU', type: 'integer', jsonPath: '.status.capacity.cpu', description: 'CPUs.' },
    { name: 'Memory', type: 'string', jsonPath: '.status.capacity.memory', description: 'Memory.' },
    { name: 'QEMU', type: 'string', jsonPath: '.status.qemu', description: 'Version of QEMU.', priority: 1 },
    { name: 'LXC', type: 'string', jsonPath: '.status.lxc', description: 'Version of LXC.', priority: 1 },
    { name: 'Kernel', type: 'string', jsonPath: '.status.kernel', description: 'Kernel.', priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
