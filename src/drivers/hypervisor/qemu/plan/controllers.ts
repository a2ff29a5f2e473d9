/** What cannot be added to a running machine and is therefore there from the first start: root ports and controllers. Pure. */
import { balloonId, rngId, rootPortIds, scsiController, serialController } from './ids.ts';
import { type PlanInput, placement } from './input.ts';
import { device } from './options.ts';

/** Root ports (q35), virtio-scsi, virtio-serial, balloon and the random number source. */
export function planControllers(input: PlanInput): string[] {
  return [
    ...(input.request.machine === 'q35' ? planRootPorts(input) : []),
    ...device('virtio-scsi-pci', scsiController, placement(input, scsiController)),
    ...device('virtio-serial-pci', serialController, placement(input, serialController)),
    ...device('virtio-balloon-pci', balloonId, { ...placement(input, balloonId), 'deflate-on-oom': true }),
    '-object',
    'rng-random,id=rng-source,filename=/dev/urandom',
    ...device('virtio-rng-pci', rngId, { ...placement(input, rngId), rng: 'rng-source' }),
  ];
}

/** Eight ports share one slot as its functions. No port windows: sixteen of 4 KiB would be all the I/O space there is. */
function planRootPorts(input: PlanInput): string[] {
  return rootPortIds(input.hardware.addresses).flatMap((id, index) =>
    device('pcie-root-port', id, {
      ...placement(input, id),
      chassis: index + 1,
      port: index,
      multifunction: index % 8 === 0 ? true : undefined,
      'io-reserve': 0,
    }),
  );
}
