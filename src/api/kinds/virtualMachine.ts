/** VirtualMachine: a guest with its own kernel under QEMU. */
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

const cpu = object('Virtual processors: sockets x cores x threads.', {
  sockets: Type.Optional(integer('Sockets; 1 when absent.', 1, 16)),
  cores: Type.Optional(integer('Cores of each socket; 1 when absent.', 1, 256)),
  threads: Type.Optional(integer('Threads of each core; 1 when absent.', 1, 8)),
  model: Type.Optional(
    text('CPU model as QEMU names it, or Host. Absent: a model the host can give.', 64, {
      pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]*$',
    }),
  ),
});

const disk = object(
  'A disk of the machine.',
  {
    name: dnsLabel('Name of the disk, unique in the machine.', 32),
    pool: objectName('StoragePool that holds the volume.'),
    size: Type.Optional(
      bytes(
        'Size; may grow while the machine runs. Absent: the size of the image, the snapshot or the disk in the backup.',
      ),
    ),
    format: Type.Optional(oneOf(['qcow2', 'raw'], 'Format of the volume; qcow2 when absent.')),
    bus: Type.Optional(oneOf(['virtio', 'scsi'], 'How the machine sees it; virtio when absent.')),
    source: Type.Optional(
      object(
        'What the disk is made from; blank when absent.',
        {
          image: Type.Optional(
            object('A copy of an Image of kind Disk.', { name: objectName('Name of the Image.') }),
          ),
          snapshot: Type.Optional(snapshotSource),
          backup: Type.Optional(backupSource),
          blank: Type.Optional(object('An empty disk.', {})),
        },
        [
          {
            rule: '(has(self.image) ? 1 : 0) + (has(self.snapshot) ? 1 : 0) + (has(self.backup) ? 1 : 0) + (has(self.blank) ? 1 : 0) <= 1',
            message: 'only one of image, snapshot, backup, blank may be set',
          },
        ],
      ),
    ),
    cache: Type.Optional(
      oneOf(
        ['none', 'writeback', 'directsync'],
        "QEMU's cache mode. When absent: none in a StoragePool with `shared: true`, else writeback.",
      ),
    ),
    serial: Type.Optional(text('Serial number the guest sees.', 20, { pattern: '^[A-Za-z0-9_-]+$' })),
    readOnly: Type.Optional(flag('The guest cannot write.')),
    bootOrder: Type.Optional(integer('Lower is tried first; absent everywhere: the first disk.', 1, 64)),
    reclaimPolicy: Type.Optional(
      oneOf(['Delete', 'Retain'], 'Whether the volume goes with the guest; Delete when absent.'),
    ),
  },
  [
    {
      rule: 'has(self.size) || (has(self.source) && (has(self.source.image) || has(self.source.snapshot) || has(self.source.backup)))',
      message: 'size is required unless source.image, source.snapshot or source.backup is set',
    },
  ],
);

const network = object(
  'A network interface of the machine: exactly one of bridge, nat, user.',
  {
    name: dnsLabel('Name of the interface, unique in the machine.', 15),
    bridge: Type.Optional(nicTarget.bridge),
    nat: Type.Optional(nicTarget.nat),
    user: Type.Optional(object("QEMU's user-mode network: outgoing connections only, needs no root.", {})),
    model: Type.Optional(
      oneOf(['virtio', 'e1000e', 'rtl8139'], 'Hardware the machine sees; virtio when absent.'),
    ),
    mac: Type.Optional(mac),
    mtu: Type.Optional(integer('Largest packet in bytes.', 576, 65520)),
    linkState: Type.Optional(
      oneOf(['Up', 'Down'], 'Whether the cable is plugged in; Up when absent. Changes at once.'),
    ),
  },
  [
    {
      rule: '(has(self.bridge) ? 1 : 0) + (has(self.nat) ? 1 : 0) + (has(self.user) ? 1 : 0) == 1',
      message: 'exactly one of bridge, nat, user must be set',
    },
  ],
);

const spec = object('What the machine is to be.', {
  ...guestSpecFields,
  cpu: Type.Optional(cpu),
  memory: object('Main memory.', { size: bytes('Memory the machine has, such as 2Gi.') }),
  machine: Type.Optional(oneOf(['q35', 'pc'], 'Chipset; its version is pinned at the first start.', 'q35')),
  firmware: Type.Optional(
    object('Firmware of the machine.', {
      type: Type.Optional(oneOf(['BIOS', 'UEFI'], 'BIOS (SeaBIOS) or UEFI (OVMF).', 'BIOS')),
    }),
  ),
  disks: Type.Optional(mapList(disk, ['name'], 16, 'Disks in boot order unless bootOrder says otherwise.')),
  networks: Type.Optional(mapList(network, ['name'], 8, 'Network interfaces.')),
  guestAgent: Type.Optional(
    object('The QEMU guest agent inside the machine.', {
      enabled: Type.Optional(flag('Gives the machine the channel org.qemu.guest_agent.0.', true)),
    }),
  ),
  display: Type.Optional(oneOf(['VNC', 'None'], 'Graphics console.', 'VNC')),
});

const status = object('What the machine is.', guestStatusFields);

export type VirtualMachineSpec = Static<typeof spec>;
export type VirtualMachineStatus = Static<typeof status>;
export type VirtualMachine = KubeObject<VirtualMachineSpec, VirtualMachineStatus>;

export const VirtualMachine = defineKind<VirtualMachine>({
  kind: 'VirtualMachine',
  plural: 'virtualmachines',
  namespaced: true,
  shortNames: ['vm'],
  description: 'A guest with its own kernel, run by QEMU with KVM where the host has it.',
  spec,
  status,
  columns: [
    {
      name: 'Phase',
      type: 'string',
      jsonPath: '.status.phase',
      description: 'Where the machine is in its life.',
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
    { name: 'Memory', type: 'string', jsonPath: '.spec.memory.size', description: 'Memory.', priority: 1 },
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
