/** System containers: from a Container's spec to the request of the LXC driver. */

import { derivedMac } from '../../api/identity.ts';
import { Container, type ContainerSpec } from '../../api/kinds/container.ts';
import { parseBytes, parseCpus } from '../../base/quantity.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  HypervisorDriver,
} from '../../drivers/hypervisor/contract.ts';
import type { NicWish } from '../../drivers/network/contract.ts';
import { CONTROLLERS } from '../access.ts';
import { type Attachments, attached, type GuestKind, type VolumePlan } from './kind.ts';

/** Name of a container's volume: it has one. */
const ROOTFS = 'rootfs';

/** The adapter over one host's driver for containers. */
export function containerKind(
  driver: HypervisorDriver<ContainerRequest, ContainerHardware>,
): GuestKind<Container, ContainerRequest, ContainerHardware> {
  return {
    kind: Container,
    controller: CONTROLLERS.containers,
    driver,
    plugs: 'Veth',
    volumes: (spec) => [
      {
        name: ROOTFS,
        pool: spec.rootfs.pool,
        kind: 'Filesystem',
        format: 'raw',
        ...(spec.rootfs.size === undefined ? {} : { sizeBytes: parseBytes(spec.rootfs.size) }),
        ...rootSource(spec),
        reclaim: spec.rootfs.reclaimPolicy ?? 'Delete',
      },
    ],
    nics: (spec, uuid) => (spec.networks ?? []).map((network) => wishOf(network, uuid)),
    hostname: hostnameOf,
    needsIdRange: isUnprivileged,
    isPrivileged: (spec) => !isUnprivileged(spec),
    request: requestOf,
    relocate: () => {
      throw new Error('containers do not move while they run');
    },
    hardware: (recorded) => recorded as ContainerHardware | undefined,
    effective: (spec, hardware) => ({
      ...(hardware === undefined || !isUnprivileged(spec) ? {} : { idBase: String(hardware.idBase) }),
    }),
    console: () => undefined,
  };
}

function isUnprivileged(spec: Container['spec']): boolean {
  return spec.unprivileged ?? true;
}

function hostnameOf(container: Container): string {
  return container.spec.hostname ?? container.metadata.name;
}

function wishOf(network: NonNullable<Container['spec']['networks']>[number], uuid: string): NicWish {
  return {
    name: network.name,
    mac: network.mac ?? derivedMac(uuid, network.name),
    to: network.bridge === undefined ? { type: 'Nat' } : { type: 'Bridge', bridge: network.bridge.name },
    ...(network.mtu === undefined ? {} : { mtu: network.mtu }),
  };
}

function requestOf(
  container: Container,
  attachments: Attachments,
  nics: readonly NicWish[],
): ContainerRequest {
  const { spec } = container;
  return {
    hostname: hostnameOf(container),
    unprivileged: isUnprivileged(spec),
    idBase: attachments.idBase,
    cpu: {
      ...(spec.cpu?.cores === undefined ? {} : { cores: spec.cpu.cores }),
      ...(spec.cpu?.limit === undefined ? {} : { limit: parseCpus(spec.cpu.limit) }),
    },
    rootfs: attached(attachments.volumes, ROOTFS).attachment,
    networks: nics.map(({ name, mac, mtu }) => ({
      name,
      mac,
      attachment: attached(attachments.nics, name),
      ...(mtu === undefined ? {} : { mtu }),
    })),
    ...(spec.memory === undefined ? {} : { memoryBytes: parseBytes(spec.memory) }),
    ...(spec.swap === undefined ? {} : { swapBytes: parseBytes(spec.swap) }),
    ...(spec.pidsLimit === undefined ? {} : { pidsLimit: spec.pidsLimit }),
  };
}

/** What the root is made from. */
function rootSource({ image, rootfs }: ContainerSpec): Pick<VolumePlan, 'image' | 'from' | 'restore'> {
  const { snapshot, backup } = rootfs.source ?? {};
  if (snapshot !== undefined) return { from: { snapshot: snapshot.name, disk: ROOTFS } };
  return backup === undefined ? { image } : { restore: { backup: backup.name, disk: ROOTFS } };
}
