/** Builders of what the tests of the LXC driver talk about. */
import type { ContainerRequest, GuestHandle } from '../../../../src/drivers/hypervisor/contract.ts';

export function aGuest(name = 'web'): GuestHandle {
  const id = `id${name}`.padEnd(13, 'a').slice(0, 13);
  return {
    id,
    uuid: `0b5e1c7a-0000-4000-8000-00000000${id.slice(0, 4)}`,
    name,
    directory: `/state/guests/${id}`,
  };
}

export function aRequest(changes: Partial<ContainerRequest> = {}): ContainerRequest {
  return {
    hostname: 'web',
    unprivileged: true,
    idBase: 1_000_000,
    cpu: {},
    rootfs: { type: 'Directory', path: '/pool/web', shift: 'Idmapped' },
    networks: [],
    ...changes,
  };
}

export function aNetwork(changes: Partial<ContainerRequest['networks'][number]> = {}) {
  const attachment = { type: 'Veth', ifname: 'va1b2c3d4', bridge: 'vmbr0' } as const;
  return { name: 'eth0', mac: '02:11:22:33:44:55', attachment, ...changes };
}
