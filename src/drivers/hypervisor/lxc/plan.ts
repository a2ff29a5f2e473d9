/** The configuration LXC is to run a container by, one option per line (lxc.container.conf(5)). Pure. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { CgroupSetting, Cgroups } from '../../cgroup/contract.ts';
import type { ContainerHardware, ContainerRequest, GuestHandle } from '../contract.ts';
import { limitsOf } from './limits.ts';
import { containerPaths, payloadGroup } from './paths.ts';

/** Ids a container has: 0-65535, mapped to as many of the host from `idBase`. */
export const idCount = 65_536;

/** Where every distribution's LXC keeps the defaults we build on: devices, capabilities, seccomp, mounts. */
const defaults = '/usr/share/lxc/config';

type Option = readonly [key: string, value: string | number];

/** Throws ReasonedError when the request holds something a container cannot have. */
export function planConfig(
  guest: GuestHandle,
  request: ContainerRequest,
  hardware: ContainerHardware,
  cgroups: Pick<Cgroups, 'version' | 'root' | 'settings'>,
): string {
  const group = `${cgroups.root}/${guest.id}`;
  const options: Option[] = [
    ['lxc.include', `${defaults}/common.conf`],
    ...(request.unprivileged ? [['lxc.include', `${defaults}/userns.conf`] as const] : []),
    ['lxc.uts.name', request.hostname],
    ...idOptions(request, hardware),
    ...rootfsOptions(request, hardware),
    // The guest sees groups from `ns` on, so that it can never lift its own limits.
    ['lxc.cgroup.dir.container', `${cgroups.root}/${payloadGroup(guest.id)}`],
    ['lxc.cgroup.dir.container.inner', 'ns'],
    ['lxc.cgroup.dir.monitor', `${group}/monitor`],
    ['lxc.cgroup.dir.monitor.pivot', `${group}/pivot`],
    ...limitOptions(cgroups.version, cgroups.settings(limitsOf(request))),
    // A dead monitor is no reason to kill the guest; that it is gone is found out and said.
    ['lxc.monitor.signal.pdeath', 0],
    ['lxc.hook.version', 1],
    // LXC puts an exec in front: the hook's parent is the monitor itself.
    ['lxc.hook.post-stop', `/bin/sh ${containerPaths(guest).rebootHook}`],
    ['lxc.apparmor.profile', 'generated'],
    ['lxc.console.logfile', containerPaths(guest).console],
    ['lxc.console.size', '1MB'],
    ['lxc.console.rotate', 1],
    ['lxc.console.buffer.size', '128kB'],
    ...networkOptions(request),
  ];
  const title = `# ${guest.name} (${guest.uuid}): made from the guest's specification at each start`;
  return `${[title, ...options.map(([key, value]) => `${key} = ${value}`)].map(checkedLine).join('\n')}\n`;
}

function idOptions(request: ContainerRequest, hardware: ContainerHardware): Option[] {
  if (!request.unprivileged) return [];
  if (!Number.isSafeInteger(hardware.idBase) || hardware.idBase < idCount) {
    throw refuse('InvalidIdRange', `an unprivileged container cannot use host ids from ${hardware.idBase}`);
  }
  return ['u', 'g'].map((kind) => ['lxc.idmap', `${kind} 0 ${hardware.idBase} ${idCount}`]);
}

function rootfsOptions(request: ContainerRequest, hardware: ContainerHardware): Option[] {
  const { rootfs, unprivileged } = request;
  if (rootfs.type !== 'Directory') {
    throw refuse('RootfsUnsupported', 'a container needs a file system volume, not a disk');
  }
  const path: Option = ['lxc.rootfs.path', `dir:${rootfs.path}`];
  if (rootfs.shift === 'Idmapped')
    return unprivileged ? [path, ['lxc.rootfs.options', 'idmap=container']] : [path];
  const expected = unprivileged ? hardware.idBase : 0;
  if (rootfs.shift.shiftedBy === expected) return [path];
  throw refuse(
    'RootfsShifted',
    `the root file system is shifted by ${rootfs.shift.shiftedBy}, not by ${expected}`,
  );
}

function limitOptions(version: Cgroups['version'], settings: readonly CgroupSetting[]): Option[] {
  const prefix = version === 1 ? 'lxc.cgroup' : 'lxc.cgroup2';
  return settings.map(({ file, value }) => [`${prefix}.${file}`, value]);
}

function networkOptions(request: ContainerRequest): Option[] {
  if (request.networks.length === 0) return [['lxc.net.0.type', 'empty']];
  return request.networks.flatMap(({ name, mac, mtu, attachment }, at): Option[] => {
    if (attachment.type !== 'Veth') {
      throw refuse(
        'NetworkUnsupported',
        `network ${name}: a container needs a bridge, not ${attachment.type}`,
      );
    }
    const key = `lxc.net.${at}`;
    return [
      [`${key}.type`, 'veth'],
      [`${key}.link`, attachment.bridge],
      [`${key}.veth.pair`, attachment.ifname],
      [`${key}.name`, name],
      [`${key}.hwaddr`, mac],
      ...(mtu === undefined ? [] : [[`${key}.mtu`, mtu] as const]),
      [`${key}.flags`, 'up'],
    ];
  });
}

/** One value must stay one value: a line break in a name would be an option of its own, a hook for example. */
function checkedLine(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (!/[\u0000-\u001f\u007f]/.test(line)) return line;
  throw refuse('InvalidName', `${JSON.stringify(line)} holds a control character`);
}

function refuse(reason: string, message: string): ReasonedError {
  return new ReasonedError(reason, message, { stalled: true });
}
