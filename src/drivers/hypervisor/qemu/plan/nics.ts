/** Network interfaces. Their link state is set before the guest runs: the command line cannot. Pure. */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { NicRequest } from '../../contract.ts';
import { netId, nicId } from './ids.ts';
import { type PlanInput, placement } from './input.ts';
import { device, optionList } from './options.ts';

const drivers = { virtio: 'virtio-net-pci', e1000e: 'e1000e', rtl8139: 'rtl8139' } as const;

/** All interfaces in the order of the request. Throws ReasonedError AttachmentUnsupported. */
export function planNics(input: PlanInput): string[] {
  return input.request.networks.flatMap((nic) => [
    '-netdev',
    backend(nic, input.qemu.vhostNet),
    ...device(drivers[nic.model], nicId(nic.name), {
      ...placement(input, nicId(nic.name)),
      netdev: netId(nic.name),
      mac: nic.mac,
      host_mtu: nic.model === 'virtio' ? nic.mtu : undefined,
      // No boot from the network: its firmware would only cost time, and is not installed everywhere.
      romfile: '',
    }),
  ]);
}

function backend({ name, model, attachment }: NicRequest, vhostNet: boolean): string {
  const id = netId(name);
  if (attachment.type === 'User') return optionList('user', { id });
  if (attachment.type === 'Tap') {
    const vhost = vhostNet && model === 'virtio' ? true : undefined;
    return optionList('tap', { id, ifname: attachment.ifname, script: 'no', downscript: 'no', vhost });
  }
  const message = `interface ${name} is a ${attachment.type}: a virtual machine needs a tap or user networking`;
  throw new ReasonedError('AttachmentUnsupported', message, { stalled: true });
}
