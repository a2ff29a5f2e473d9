/** Disks: file, format and limits as named nodes one upon another, and the device the guest sees. Pure. */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { DiskRequest } from '../../contract.ts';
import { diskId, fileNode, formatNode, throttleGroupId, throttleNode } from './ids.ts';
import { type PlanInput, placement } from './input.ts';
import { blockNode, device } from './options.ts';

/** All disks in the order of the request. Throws ReasonedError VolumeUnsupported. */
export function planDisks(input: PlanInput): string[] {
  const boot = bootIndexes(input.request.disks);
  return input.request.disks.flatMap((disk) => [
    ...planNodes(disk),
    ...planDevice(input, disk, boot.get(disk.name)),
  ]);
}

/** Disk name -> rank in the boot order from 1; without any wish the first disk boots. */
export function bootIndexes(disks: readonly DiskRequest[]): Map<string, number> {
  const wished = disks.filter((disk) => disk.bootOrder !== undefined);
  const bootable = wished.length > 0 ? wished : disks.slice(0, 1);
  const ordered = bootable.toSorted((a, b) => (a.bootOrder ?? 0) - (b.bootOrder ?? 0));
  return new Map(ordered.map((disk, index) => [disk.name, index + 1]));
}

function planNodes(disk: DiskRequest): string[] {
  const { name, volume, readOnly } = disk;
  if (volume.type !== 'File') {
    const message = `disk ${name} is a ${volume.type} volume: a virtual machine needs a file or a device`;
    throw new ReasonedError('VolumeUnsupported', message, { stalled: true });
  }
  const common = { 'read-only': readOnly, discard: 'unmap', cache: { direct: isDirect(disk) } };
  return [
    ...blockNode({ driver: 'file', 'node-name': fileNode(name), filename: volume.path, ...common }),
    ...blockNode({
      driver: volume.format,
      'node-name': formatNode(name),
      ...common,
      file: fileNode(name),
    }),
    '-object',
    `throttle-group,id=${throttleGroupId(name)}`,
    ...blockNode({
      driver: 'throttle',
      'node-name': throttleNode(name),
      'throttle-group': throttleGroupId(name),
      'read-only': readOnly,
      // Each node drops what the guest discards unless it says this, also one that only hands it on.
      discard: 'unmap',
      file: formatNode(name),
    }),
  ];
}

function planDevice(input: PlanInput, disk: DiskRequest, bootindex: number | undefined): string[] {
  return device(disk.bus === 'virtio' ? 'virtio-blk-pci' : 'scsi-hd', diskId(disk.name), {
    ...placement(input, diskId(disk.name)),
    drive: throttleNode(disk.name),
    serial: disk.serial,
    bootindex,
    'write-cache': disk.cache === 'directsync' ? 'off' : 'on',
    // A write that fails stops the machine, which tries it again when it goes on. By itself QEMU tells the guest of all but a full disk, and its file
    // system ends there; and while a disk is backed up, an archive that cannot be written fails the guest's own writes (qemu-options, "werror").
    werror: 'stop',
  });
}

function isDirect(disk: DiskRequest): boolean {
  return disk.cache === 'none' || disk.cache === 'directsync';
}
