/** A guest, a host and requests for tests of plans. */
import type {
  GuestHandle,
  HypervisorFacts,
  MachineRequest,
} from '../../../../src/drivers/hypervisor/contract.ts';

export const guest: GuestHandle = {
  id: 'k3jd82mxq0p1z',
  uuid: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
  name: 'web',
  directory: '/var/lib/vireo/guests/k3jd82mxq0p1z',
};

/** A host without KVM and with everything else. */
export const tcgHost: HypervisorFacts = {
  available: true,
  version: '7.2.22',
  accelerator: 'tcg',
  acceleratorReason: 'KvmDeviceMissing: this host has no /dev/kvm',
  qemu: {
    program: '/usr/bin/qemu-system-x86_64',
    machineTypes: { q35: 'pc-q35-7.2', pc: 'pc-i440fx-7.2' },
    uefi: { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
    sandbox: true,
    vhostNet: false,
  },
};

export const kvmHost: HypervisorFacts = {
  ...tcgHost,
  accelerator: 'kvm',
  acceleratorReason: 'KvmUsable: a test guest ran under KVM',
  ...(tcgHost.qemu === undefined ? {} : { qemu: { ...tcgHost.qemu, vhostNet: true } }),
};

const gibibyte = 1024 ** 3;

/** A machine with one disk and one user-mode interface. */
export const smallMachine: MachineRequest = {
  machine: 'q35',
  cpu: { sockets: 1, cores: 2, threads: 1 },
  memoryBytes: gibibyte,
  firmware: 'BIOS',
  disks: [
    {
      name: 'root',
      bus: 'virtio',
      readOnly: false,
      sizeBytes: 8 * gibibyte,
      volume: { type: 'File', path: '/var/lib/vireo/pools/local/web-root.qcow2', format: 'qcow2' },
    },
  ],
  networks: [
    {
      name: 'lan',
      mac: '52:54:00:12:34:56',
      model: 'virtio',
      linkState: 'Up',
      attachment: { type: 'User' },
    },
  ],
  guestAgent: true,
  display: 'VNC',
};

/** A machine with one of everything. */
export const richMachine: MachineRequest = {
  ...smallMachine,
  cpu: { sockets: 2, cores: 2, threads: 2, model: 'x86-64-v3' },
  memoryBytes: 1_000_000_000,
  firmware: 'UEFI',
  disks: [
    {
      name: 'root',
      bus: 'virtio',
      readOnly: false,
      cache: 'none',
      serial: 'ROOT-1',
      bootOrder: 2,
      sizeBytes: 8 * gibibyte,
      volume: { type: 'File', path: '/pools/a,b/root "1".qcow2', format: 'qcow2' },
    },
    {
      name: 'a-data-disk-with-a-very-long-name',
      bus: 'scsi',
      readOnly: true,
      cache: 'directsync',
      bootOrder: 1,
      sizeBytes: gibibyte,
      volume: { type: 'File', path: '/pools/local/data.raw', format: 'raw' },
    },
  ],
  networks: [
    {
      name: 'lan',
      mac: '52:54:00:12:34:56',
      model: 'virtio',
      linkState: 'Down',
      mtu: 9000,
      attachment: { type: 'Tap', ifname: 'v1a2b-lan', bridge: 'br0' },
    },
    {
      name: 'old',
      mac: '52:54:00:12:34:57',
      model: 'rtl8139',
      linkState: 'Up',
      attachment: { type: 'User' },
    },
  ],
};
