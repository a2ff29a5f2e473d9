/** What a Linux machine is: read from /proc and /sys through the Files port, without running anything. proc(5) */
import type { Files } from '../../base/files.ts';

/** What does not change while the agent runs. */
export type HostFacts = {
  /** Address other hosts reach it by. */
  address?: string;
  bootID?: string;
  machineID?: string;
  kernel?: string;
  cpu: {
    model?: string;
    vendor?: string;
    count: number;
    virtualization: 'vmx' | 'svm' | 'none';
    flags: readonly string[];
  };
  memoryBytes: number;
  kernelFeatures: readonly string[];
  cgroup: 'V1' | 'V2' | 'None';
};

type Reader = Pick<Files, 'readText' | 'stat' | 'list'>;

/** Reads all facts of this machine; `address` is given by whoever knows the network. */
export async function readHostFacts(files: Reader, address?: string): Promise<HostFacts> {
  const [cpuinfo, meminfo, release, boot, machine, kernelFeatures, cgroup] = await Promise.all([
    files.readText('/proc/cpuinfo'),
    files.readText('/proc/meminfo'),
    files.readText('/proc/sys/kernel/osrelease'),
    files.readText('/proc/sys/kernel/random/boot_id'),
    files.readText('/etc/machine-id'),
    readKernelFeatures(files),
    readCgroupVersion(files),
  ]);
  return {
    cpu: parseCpuInfo(cpuinfo ?? ''),
    memoryBytes: parseMemTotal(meminfo ?? ''),
    kernelFeatures,
    cgroup,
    ...named('kernel', release),
    ...named('bootID', boot),
    ...named('machineID', machine),
    ...(address === undefined ? {} : { address }),
  };
}

function named<K extends string>(key: K, text: string | undefined): { [k in K]?: string } {
  const value = text?.trim() ?? '';
  return value === '' ? {} : ({ [key]: value } as { [k in K]: string });
}

/** Processors of /proc/cpuinfo; model, vendor and flags of the first. */
export function parseCpuInfo(text: string): HostFacts['cpu'] {
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.+)$`, 'm').exec(text)?.[1]?.trim();
  const flags = (field('flags') ?? field('Features') ?? '').split(/\s+/).filter((flag) => flag !== '');
  const count = text.match(/^processor\s*:/gm)?.length ?? 1;
  const model = field('model name');
  const vendor = field('vendor_id');
  return {
    count,
    flags: flags.slice(0, 512).filter((flag) => flag.length <= 32),
    virtualization: flags.includes('vmx') ? 'vmx' : flags.includes('svm') ? 'svm' : 'none',
    ...(model === undefined ? {} : { model: model.slice(0, 128) }),
    ...(vendor === undefined ? {} : { vendor: vendor.slice(0, 64) }),
  };
}

/** MemTotal of /proc/meminfo in bytes; 0 when it is not there. */
export function parseMemTotal(text: string): number {
  return Number(/^MemTotal:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

/** Files whose presence shows a feature of the kernel. */
const FEATURE_FILES: readonly (readonly [feature: string, path: string])[] = [
  ['user-namespaces', '/proc/self/ns/user'],
  ['network-namespaces', '/proc/self/ns/net'],
  ['cgroup-namespaces', '/proc/self/ns/cgroup'],
  ['time-namespaces', '/proc/self/ns/time'],
  ['seccomp', '/proc/sys/kernel/seccomp/actions_avail'],
  ['tun', '/dev/net/tun'],
  ['kvm', '/dev/kvm'],
  ['vhost-net', '/dev/vhost-net'],
  ['vhost-vsock', '/dev/vhost-vsock'],
  ['fuse', '/dev/fuse'],
  ['loop', '/dev/loop-control'],
  // What post-copy needs of the kernel (vm.rst).
  ['userfaultfd', '/proc/sys/vm/unprivileged_userfaultfd'],
  ['bridge-netfilter', '/proc/sys/net/bridge/bridge-nf-call-iptables'],
  ['ipv4-forwarding', '/proc/sys/net/ipv4/ip_forward'],
];

const FILE_SYSTEMS = ['ext4', 'xfs', 'btrfs', 'overlay', 'zfs', 'nfs4', 'ceph', 'virtiofs'];

async function readKernelFeatures(files: Reader): Promise<string[]> {
  const present = await Promise.all(
    FEATURE_FILES.map(async ([feature, path]) => ((await files.stat(path)) === undefined ? [] : [feature])),
  );
  const known = ((await files.readText('/proc/filesystems')) ?? '')
    .split('\n')
    .map((line) => line.split('\t').at(-1) ?? '');
  const fileSystems = FILE_SYSTEMS.filter((name) => known.includes(name)).map((name) => `fs-${name}`);
  return [...present.flat(), ...fileSystems].sort();
}

/** cgroups(7): v2 shows its controllers in the root, v1 has a directory for each hierarchy. */
async function readCgroupVersion(files: Reader): Promise<'V1' | 'V2' | 'None'> {
  if ((await files.stat('/sys/fs/cgroup/cgroup.controllers')) !== undefined) return 'V2';
  return (await files.list('/sys/fs/cgroup')).includes('memory') ? 'V1' : 'None';
}
