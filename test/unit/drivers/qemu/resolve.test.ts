/** Hardware is pinned at the first start: what is there stays where it is, what is new takes a free place. */
import { describe, expect, it } from 'vitest';
import type { DiskRequest, MachineRequest, NicRequest } from '../../../../src/drivers/hypervisor/contract.ts';
import { resolveHardware } from '../../../../src/drivers/hypervisor/qemu/resolve.ts';
import { kvmHost, richMachine, smallMachine, tcgHost } from './machine.ts';

const [rootDisk] = smallMachine.disks;
const [lan] = smallMachine.networks;
if (rootDisk === undefined || lan === undefined) throw new Error('the machine has both');
const disk = (name: string, bus: DiskRequest['bus'] = 'virtio'): DiskRequest => ({ ...rootDisk, name, bus });
const nic = (name: string, model: NicRequest['model'] = 'virtio'): NicRequest => ({ ...lan, name, model });
const machine = (change: Partial<MachineRequest>): MachineRequest => ({ ...smallMachine, ...change });
const first = (request: MachineRequest) => resolveHardware(request, undefined, tcgHost);

describe('the first resolution', () => {
  it('takes the newest versioned machine type', () => {
    expect(first(smallMachine).machineType).toBe('pc-q35-7.2');
    expect(first(machine({ machine: 'pc' })).machineType).toBe('pc-i440fx-7.2');
  });

  it('takes a CPU model that other hosts have too, all there is under TCG, or the one asked for', () => {
    const model = (wanted: string | undefined, facts = kvmHost) => {
      const cpu = { ...smallMachine.cpu, ...(wanted === undefined ? {} : { model: wanted }) };
      return resolveHardware(machine({ cpu }), undefined, facts).cpuModel;
    };
    expect(model(undefined)).toBe('x86-64-v2');
    expect(model(undefined, tcgHost)).toBe('max');
    expect(model('Host')).toBe('host');
    expect(model('Host', tcgHost)).toBe('max');
    expect(model('EPYC')).toBe('EPYC');
  });

  it('has a little memory on top where it is emulated, at each start anew', () => {
    const emulated = first(smallMachine);
    expect(((emulated.extraMemoryKib ?? 0) * 1024) % (256 * 1024)).not.toBe(0);
    expect(resolveHardware(smallMachine, emulated, kvmHost)).not.toHaveProperty('extraMemoryKib');
  });

  it('gives each device a place of its own', () => {
    const all = machine({
      disks: Array.from({ length: 16 }, (_, index) => disk(`d${index}`)),
      networks: Array.from({ length: 8 }, (_, index) => nic(`n${index}`)),
    });
    for (const chipset of ['q35', 'pc'] as const) {
      const places = Object.values(first({ ...all, machine: chipset }).addresses);
      expect(new Set(places).size).toBe(places.length);
    }
  });

  it('puts SCSI disks on the controller and old network cards beside the root ports', () => {
    const { addresses } = first(richMachine);
    expect(addresses['disk-a-data-disk-with-a-very-long-name']).toBe('scsi0:0');
    expect(addresses['nic-old']).toMatch(/^pcie\.0:/);
    expect(addresses['nic-lan']).toMatch(/^rp\d+$/);
  });

  it('gives a machine of little memory and few devices half of the root ports: each costs its start time', () => {
    const ports = (change: Partial<MachineRequest>) => {
      const { addresses } = first(machine(change));
      return Object.keys(addresses).filter((id) => /^rp\d+$/.test(id)).length;
    };
    const gib = 1024 ** 3;
    expect(ports({ memoryBytes: 2 * gib })).toBe(8);
    expect(ports({ memoryBytes: 2 * gib + 1 })).toBe(16);
    expect(ports({ disks: [disk('a'), disk('b'), disk('c')], networks: [nic('n')] })).toBe(8);
    expect(ports({ disks: [disk('a'), disk('b'), disk('c'), disk('d')], networks: [nic('n')] })).toBe(16);
    expect(ports({ machine: 'pc' })).toBe(0);
  });

  it('says when there are too many', () => {
    const many = machine({ disks: Array.from({ length: 60 }, (_, index) => disk(`d${index}`)) });
    expect(() => first(many)).toThrow(expect.objectContaining({ reason: 'TooManyDevices', stalled: true }));
  });

  it('says when there is no QEMU', () => {
    const none = { available: false, message: 'install it' };
    expect(() => resolveHardware(smallMachine, undefined, none)).toThrow(
      expect.objectContaining({ reason: 'QemuMissing' }),
    );
  });
});

describe('later resolutions', () => {
  const newer = {
    ...tcgHost,
    ...(tcgHost.qemu === undefined
      ? {}
      : { qemu: { ...tcgHost.qemu, machineTypes: { q35: 'pc-q35-10.0', pc: 'pc-i440fx-10.0' } } }),
  };
  const pinned = first(machine({ disks: [disk('a'), disk('b'), disk('c')] }));

  it('keep machine type and CPU model when QEMU and the host change', () => {
    expect(resolveHardware(smallMachine, first(smallMachine), newer)).toEqual(first(smallMachine));
    expect(resolveHardware(smallMachine, first(smallMachine), kvmHost).cpuModel).toBe('max');
  });

  it('keep every device where it is when one goes, and give its place to the next', () => {
    const less = resolveHardware(machine({ disks: [disk('a'), disk('c')] }), pinned, tcgHost);
    expect(less.addresses['disk-c']).toBe(pinned.addresses['disk-c']);
    expect(less.addresses['disk-b']).toBeUndefined();
    const again = resolveHardware(machine({ disks: [disk('x'), disk('a'), disk('c')] }), less, tcgHost);
    expect(again.addresses['disk-a']).toBe(pinned.addresses['disk-a']);
    expect(again.addresses['disk-c']).toBe(pinned.addresses['disk-c']);
    expect(again.addresses['disk-x']).toBe(pinned.addresses['disk-b']);
  });

  it('keep the root ports when memory and devices grow, and put what has no port any more beside them', () => {
    const grown = machine({
      memoryBytes: 64 * 1024 ** 3,
      disks: Array.from({ length: 9 }, (_, index) => disk(`d${index}`)),
    });
    const { addresses } = resolveHardware(grown, first(smallMachine), tcgHost);
    expect(addresses).toHaveProperty('rp7');
    expect(addresses).not.toHaveProperty('rp8');
    expect(addresses['disk-d8']).toMatch(/^pcie\.0:/);
  });

  it('move a disk whose bus was changed', () => {
    const moved = resolveHardware(machine({ disks: [disk('a', 'scsi')] }), pinned, tcgHost);
    expect(moved.addresses['disk-a']).toBe('scsi0:0');
  });

  it('begin anew when the chipset was changed', () => {
    expect(resolveHardware(machine({ machine: 'pc' }), pinned, newer)).toMatchObject({
      machineType: 'pc-i440fx-10.0',
      addresses: { 'disk-root': 'pci.0:7' },
    });
  });

  it('take a CPU model that is asked for now', () => {
    const cpu = { ...smallMachine.cpu, model: 'x86-64-v3' };
    expect(resolveHardware(machine({ cpu }), pinned, tcgHost).cpuModel).toBe('x86-64-v3');
  });
});
