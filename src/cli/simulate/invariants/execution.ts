/** What executes: a guest once (S1), guarded (S5), with epochs that grow (S6), not deleted (S10), its volumes open for writing on one host (S15). */
import { guardKey } from '../../../cluster/ha/model.ts';
import type { Cluster } from '../cluster.ts';
import type { SimHost } from '../host.ts';
import type { Violate, Watch } from './contract.ts';

/** One that was handed over has closed its volumes before, one that comes opens them when it runs. */
const CLOSED = new Set(['Incoming', 'HandedOver']);

/** From a consistent read to the deed it allows, at most, a tolerated pause included. */
const READ_MS = 6_000;

/** A frozen process writes nothing, nor does one whose storage was all revoked; a start, or a job on a guest that is off, may. */
function mayWrite(host: SimHost, guest: string, { storages }: Cluster): boolean {
  const process = host.processes.get(guest);
  return (
    process !== undefined &&
    !CLOSED.has(process.state) &&
    host.power() === 'Running' &&
    !host.isFrozen() &&
    storages.mayWrite(host.name, guest)
  );
}

export function watchExecution(cluster: Cluster, violate: Violate): Watch {
  const newest = new Map<string, number>();
  const uids = new Map<string, string>();
  const deletedAt = new Map<string, number>();
  cluster.api.onGuest((id, stored) => {
    const before = uids.get(id);
    if (before !== undefined && before !== stored?.uid) deletedAt.set(before, cluster.schedule.now());
    if (stored === undefined) uids.delete(id);
    else {
      uids.set(id, stored.uid);
      // The copy that was restored still has it.
      deletedAt.delete(stored.uid);
    }
  });
  return {
    event: ({ do: what }) => {
      if (what === 'RollBack') newest.clear();
    },
    executing: (host, started) => {
      for (const [guest, process] of host.processes) {
        if (!mayWrite(host, guest, cluster)) continue;
        for (const other of cluster.hosts.values()) {
          if (other === host || !mayWrite(other, guest, cluster)) continue;
          const where = [host.name, other.name].sort().join(' and ');
          violate('S15', `the volumes of ${guest} are open for writing on ${where}`);
          if (host.executes(guest) && other.executes(guest)) violate('S1', `${guest} executes on ${where}`);
        }
        if (!host.executes(guest)) continue;
        const known = newest.get(process.uid) ?? 0;
        if (process.epoch < known) violate('S6', `${guest} runs with epoch ${process.epoch} after ${known}`);
        newest.set(process.uid, Math.max(known, process.epoch));
        const gone = cluster.schedule.now() - (deletedAt.get(process.uid) ?? Infinity);
        if (guest === started && gone > READ_MS)
          violate('S10', `${guest} is started on ${host.name}, and was deleted ${gone / 1_000} s before`);
        if (guest === started && host.keeper()?.isGuarded(guardKey(process.uid, process.epoch)) === false)
          violate('S5', `${guest} executes on ${host.name} without being guarded`);
      }
    },
  };
}
