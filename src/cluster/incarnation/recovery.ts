/**
 * After the API was restored from an older copy, hosts have seen later incarnations than this leader's. Once every Host has reported to this
 * leader (its number is new, so whoever reports it or a later one has), the incarnation is raised above all, and guests are claimed where they are.
 */
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller } from '../../runtime/contract.ts';
import type { ClusterIdentity } from './incarnation.ts';
import type { SeenIncarnations } from './seen.ts';

export type RecoverySources = {
  hosts: Informer<Host>;
  /** Asked with every change of a host: all of them are looked at only when one is ahead. */
  incarnations: Pick<SeenIncarnations, 'ahead'>;
  cluster(): ClusterIdentity;
  raise(atLeast: number): Promise<void>;
};

export function recoveryController(sources: RecoverySources): Controller<Host> {
  return {
    name: 'incarnation',
    kind: Host,
    informer: sources.hosts,
    writes: [],
    concurrency: 1,
    reconcile: async ({ log }) => {
      if (sources.incarnations.ahead(sources.cluster().incarnation).length === 0) return { outcome: done };
      const { highest, silent } = reportsOf(sources.hosts.list(), sources.cluster().incarnation);
      if (highest <= sources.cluster().incarnation) return { outcome: done };
      if (silent.length > 0) return { outcome: waitFor(silent) };
      log.warn('every host has reported: the control plane goes on above what they have seen', { highest });
      await sources.raise(highest);
      return { outcome: done };
    },
  };
}

function reportsOf(
  hosts: readonly Stored<Host>[],
  incarnation: number,
): { highest: number; silent: string[] } {
  const seen = hosts.map((host) => ({
    name: host.metadata.name,
    incarnation: host.status?.incarnation ?? 0,
  }));
  return {
    highest: Math.max(0, ...seen.map((host) => host.incarnation)),
    silent: seen.filter((host) => host.incarnation < incarnation).map(({ name }) => name),
  };
}

function waitFor(silent: readonly string[]): Outcome {
  return waiting('ControlPlaneRolledBack', `waiting until ${silent.join(', ')} has reported`, 60_000);
}
