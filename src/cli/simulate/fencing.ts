/** Fence devices of the model, and the agents elsewhere that use them: they look at the Lease just before, and refuse when it has changed. */
import { isSameLife } from '../../cluster/ha/model.ts';
import type { StoredFence } from './api.ts';
import type { Cluster } from './cluster.ts';

export type Fencing = {
  execute(id: string): void;
  /** A proof stands: what a device has switched off is switched on again. */
  powerOnAgain(host: string): void;
};

const DEVICE_GIVES_UP_MS = 5_000;
/** To ask a device for the state of a plug takes no longer than this. */
const LOOK_MS = 1_000;

export function createFencing(cluster: Cluster): Fencing {
  const { api, schedule } = cluster;
  const offByDevice = new Set<string>();

  const finish = (fence: StoredFence, result: NonNullable<StoredFence['result']>): void => {
    const executor = cluster.host(fence.executor);
    if (executor === undefined) return;
    const write = (): void =>
      api.call(
        { host: executor.name, deliver: executor.deliver },
        2_000,
        ({ fences }) => {
          const stored = fences.get(fence.id);
          if (stored !== undefined && stored.value.result === undefined)
            fences.set(fence.id, { version: api.version(), value: { ...stored.value, result } });
        },
        (answer) => {
          if (!answer.ok) executor.after(500, write);
        },
      );
    write();
  };

  const use = (fence: StoredFence): void => {
    const target = cluster.host(fence.host);
    const executor = cluster.host(fence.executor);
    if (target === undefined || executor === undefined) return;
    const { broken, delayMs } = target.fence;
    const faults = fence.devices.map((device) => broken.get(device));
    cluster.trace(fence.executor, 'Fence', fence.host, { reason: `${fence.devices.join(', ')}` });
    if (faults.includes('Fails')) {
      executor.after(DEVICE_GIVES_UP_MS, () => finish(fence, 'Failed'));
      return;
    }
    // As fence agents do: a plug that is off already is not switched again.
    const isOff = target.power() === 'PoweredOff' && !faults.includes('Lies');
    schedule.after(isOff ? Math.min(delayMs, LOOK_MS) : delayMs, () => {
      if (!faults.includes('Lies') && target.power() !== 'PoweredOff') {
        offByDevice.add(target.name);
        target.powerOff();
      }
      executor.deliver(() => finish(fence, 'PoweredOff'));
    });
  };

  return {
    execute: (id) => {
      const fence = api.objects.fences.get(id)?.value;
      const executor = fence === undefined ? undefined : cluster.host(fence.executor);
      if (fence === undefined || executor === undefined) return;
      executor.after(20, () =>
        api.call(
          { host: executor.name, deliver: executor.deliver },
          2_000,
          ({ leases, hosts, fences }) => ({
            lease: leases.get(fence.host)?.value,
            record: hosts.get(fence.host)?.value,
            result: fences.get(id)?.value.result,
          }),
          (answer) => {
            if (!answer.ok) return;
            const { lease, record, result } = answer.value;
            const isOpen = record?.state === 'Fencing' && record.incident?.id === fence.incident;
            if (result !== undefined) return;
            if (isOpen && (lease === undefined || isSameLife(lease, fence.life))) use(fence);
            else finish(fence, 'Refused');
          },
        ),
      );
    },
    powerOnAgain: (name) => {
      if (!offByDevice.delete(name)) return;
      schedule.after(1_000, () => {
        const host = cluster.host(name);
        if (host?.hasMains === true && host.power() === 'PoweredOff') host.powerOn();
      });
    },
  };
}
