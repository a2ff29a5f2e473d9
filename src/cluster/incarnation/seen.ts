/** The latest control plane that each host has seen. It is asked for with every guest, so it is kept and not looked up in all hosts. */
import type { Host } from '../../api/kinds/host.ts';
import type { InformerChange } from '../../client/contract.ts';

export type SeenIncarnations = {
  /** Takes in one change of a Host. */
  observe(change: InformerChange<Host>): void;
  /** The hosts that have seen a later one than this. */
  ahead(incarnation: number): string[];
};

export function createSeenIncarnations(): SeenIncarnations {
  const seen = new Map<string, number>();
  let highest = 0;
  return {
    observe: ({ key, after }) => {
      const incarnation = after?.status?.incarnation ?? 0;
      if (seen.get(key) === incarnation) return;
      if (after === undefined) seen.delete(key);
      else seen.set(key, incarnation);
      highest = Math.max(0, ...seen.values());
    },
    ahead: (incarnation) =>
      highest <= incarnation
        ? []
        : [...seen].flatMap(([host, latest]) => (latest > incarnation ? [host] : [])),
  };
}
