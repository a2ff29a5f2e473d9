/** How full hosts are, and how unevenly: what balance goes by. Pure. */
import type { Ledger } from './ledger.ts';
import type { HostView, View } from './model.ts';

const NOTHING = { cpus: 0, memoryBytes: 0 };

/** Standard deviation of how full the hosts are, over their mean: 0 is even. */
export function imbalance(hosts: readonly HostView[], ledger: Ledger, view: View): number {
  const fills = hosts.map((host) => fill(host, ledger, view));
  const mean = fills.reduce((sum, value) => sum + value, 0) / Math.max(1, fills.length);
  if (mean === 0) return 0;
  const variance = fills.reduce((sum, value) => sum + (value - mean) ** 2, 0) / fills.length;
  return Math.sqrt(variance) / mean;
}

/** How full the host is in the measure the policy balances by. */
export function fill(host: HostView, ledger: Ledger, { policy }: View): number {
  const load = ledger.load(host.name);
  switch (policy.rebalancing.by) {
    case 'Count':
      return load.guests;
    case 'Requests':
      return Math.max(share(load.cpus, host.cpus), share(load.memoryBytes, host.memoryBytes));
    case 'Load': {
      const { real, usedByOthers: others = NOTHING } = host;
      return Math.max(
        share(load.usedCpus + others.cpus, real.cpus),
        share(load.usedMemory + others.memoryBytes, real.memoryBytes),
      );
    }
    default:
      return policy.rebalancing.by satisfies never;
  }
}

/** A host of which others have everything is full, whatever is there. */
function share(taken: number, of: number): number {
  return of <= 0 ? 1 : taken / of;
}
