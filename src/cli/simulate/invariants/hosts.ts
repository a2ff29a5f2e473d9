/** What is decided of hosts: with a majority (S4), on the present state (S12), proofs that are true (S3), fences that are needed (S11). */
import { guardKey } from '../../../cluster/ha/model.ts';
import type { Cluster } from '../cluster.ts';
import type { Violate, Watch } from './contract.ts';
import { LEFT_ALONE, majorityWatch } from './shared.ts';

export function watchHosts(cluster: Cluster, violate: Violate): Watch {
  const acted = majorityWatch(cluster, violate);

  const fenced = (name: string): void => {
    const { policy, guests } = cluster.api.objects;
    if (policy.haPaused !== undefined) violate('S11', `${name} is fenced while paused`);
    const needs = [...guests.values()].some(
      ({ value: { record, spec } }) =>
        record.placement?.host === name && spec.state !== 'Ignored' && !LEFT_ALONE.has(record.state),
    );
    if (!needs) violate('S11', `${name} is fenced though nothing on it is protected`);
  };

  return {
    hostDecided: ({ host: name, record, version }, before) => {
      acted(`${name} becomes ${record.state}`);
      if (before?.version !== version) violate('S12', `${name} becomes ${record.state} by an old view`);
      if (record.state === 'Fencing' && before?.value.state !== 'Fencing') fenced(name);
      const { proof } = record;
      if (proof === undefined || before?.value.proof === proof) return;
      const host = cluster.host(name);
      if (host === undefined || host.bootID() !== proof.bootID) return;
      for (const [guest, process] of host.processes) {
        const isCovered = proof.covers?.includes(guardKey(process.uid, process.epoch)) ?? true;
        // A device may lie, and then guests are frozen; who has fenced itself has killed them.
        const isThere = proof.kind === 'PowerOff' ? host.executes(guest) : process.state === 'Running';
        const isHarmless = proof.kind === 'StorageRevoked' && !cluster.storages.mayWrite(name, guest);
        if (isCovered && isThere && !isHarmless && host.keeper()?.life().term === proof.term)
          violate('S3', `${guest} executes on ${name} when ${proof.kind} is stored`);
      }
    },
  };
}
