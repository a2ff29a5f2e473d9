/**
 * Whose switch ports are shut: those of a host that is being fenced and will have fenced itself, so that it stays silent until that is proven. A port
 * proves nothing. Once a proof stands, or the incident is over, it is opened again (src/cluster/fencing/actions.ts). Pure.
 */
import type { FenceAction } from '../../api/kinds/fenceAction.ts';
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { Stored } from '../../api/meta.ts';
import type { HostView, View } from '../ha/model.ts';
import { isSpared } from '../ha/proofs.ts';

/** As many as a FenceAction may name. */
const MOST_DEVICES = 8;

/** Names of the devices that are to shut them; empty: none is to be shut now. `named`: all devices that name the host. */
export function portsToShut(
  host: HostView,
  view: View,
  { named, actions }: { named: readonly Stored<FenceDevice>[]; actions: readonly Stored<FenceAction>[] },
): readonly string[] {
  const { name, record } = host;
  const { observer, policy, now } = view;
  const { state, incident } = record;
  if (isSpared(host, view)) return [];
  if (state !== 'Fencing' || incident === undefined || !observer.isSuspect(name, now)) return [];
  if (observer.heardBy(name, now).length > 0) return [];
  const lease = observer.lease(name);
  if (lease === undefined || lease.pausable) return [];
  // Where nothing ever follows from its silence the host would be shut off for good.
  if (!lease.armed && policy.selfFenceWithoutWatchdog === 'Deny') return [];
  if (actions.some(({ spec }) => spec.method === 'Disconnect' && spec.incident === incident.id)) return [];
  return named
    .filter(({ status }) => status?.reach === 'Fabric')
    .map(({ metadata }) => metadata.name)
    .sort()
    .slice(0, MOST_DEVICES);
}
