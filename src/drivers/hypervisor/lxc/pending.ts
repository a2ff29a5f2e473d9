/** What a running container cannot be given without a restart: the request it was started with against the one wanted now. Pure. */
import type { CgroupLimits } from '../../cgroup/contract.ts';
import type { ContainerRequest, PendingChange } from '../contract.ts';
import { limitsOf } from './limits.ts';

type Network = ContainerRequest['networks'][number];

export function pendingChanges(started: ContainerRequest, wanted: ContainerRequest): PendingChange[] {
  return [
    ...difference('hostname', started.hostname, wanted.hostname, 'Restart'),
    ...difference('unprivileged', started.unprivileged, wanted.unprivileged, 'Recreate'),
    ...difference('rootfs', pathOf(started), pathOf(wanted), 'Restart'),
    ...networkChanges(started.networks, wanted.networks),
  ];
}

/** Limits that the kernel would not take while the guest runs, such as less memory than is in use. */
export function pendingLimits(actual: CgroupLimits, request: ContainerRequest): PendingChange[] {
  const wanted = limitsOf(request);
  const cpuPath =
    wanted.cpuLimit !== undefined && wanted.cpuLimit === request.cpu.cores ? 'cpu.cores' : 'cpu.limit';
  return [
    ...difference(cpuPath, actual.cpuLimit, wanted.cpuLimit, 'Restart'),
    ...difference('memory', wholePages(actual.memoryBytes), wholePages(wanted.memoryBytes), 'Restart'),
    ...difference('pidsLimit', actual.pids, wanted.pids, 'Restart'),
  ];
}

function networkChanges(started: readonly Network[], wanted: readonly Network[]): PendingChange[] {
  const names = new Set([...started, ...wanted].map(({ name }) => name));
  return [...names].flatMap((name) => {
    const path = `networks[${name}]`;
    const before = started.find((one) => one.name === name);
    const after = wanted.find((one) => one.name === name);
    if (before === undefined || after === undefined) {
      return difference(path, before && describe(before), after && describe(after), 'Restart');
    }
    return [
      ...difference(`${path}.mac`, before.mac, after.mac, 'Restart'),
      ...difference(`${path}.mtu`, before.mtu, after.mtu, 'Restart'),
      ...difference(`${path}.bridge`, bridgeOf(before), bridgeOf(after), 'Restart'),
    ];
  });
}

function difference(
  path: string,
  from: string | number | boolean | undefined,
  to: string | number | boolean | undefined,
  kind: PendingChange['class'],
): PendingChange[] {
  if (from === to) return [];
  return [{ path, from: String(from ?? 'none'), to: String(to ?? 'none'), class: kind }];
}

/** The kernel keeps memory in pages of 4 KiB. */
function wholePages(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.floor(bytes / 4096) * 4096;
}

function pathOf({ rootfs }: ContainerRequest): string {
  return rootfs.path;
}

function bridgeOf({ attachment }: Network): string {
  return attachment.type === 'User' ? 'user' : attachment.bridge;
}

function describe(network: Network): string {
  return `${network.mac} on ${bridgeOf(network)}`;
}
