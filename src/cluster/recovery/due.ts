/** When something next follows from the silence of a host: rounds look at their own pace, and would be late for it by up to a whole one. Pure. */
import type { HostView, View } from '../ha/model.ts';
import { frozenIn } from '../ha/proofs.ts';

/** ms from the view's moment until a host is suspected, or a device is believed that has called one off; Infinity: no host comes to that. */
export function dueIn(view: View): number {
  const times = [...view.hosts.values()].flatMap((host) => [suspectedIn(host, view), believedIn(host, view)]);
  return Math.min(...times.filter((ms) => ms > 0), Number.POSITIVE_INFINITY);
}

function suspectedIn({ name }: HostView, { observer, policy, now }: View): number {
  return policy.timings.leaseDuration - observer.silentFor(name, now);
}

function believedIn(host: HostView, view: View): number {
  return host.record.state === 'Fencing' ? frozenIn(host, view) : 0;
}
