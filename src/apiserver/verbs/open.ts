/** The account of open watches, so that the server can end them. */
import type { Served } from '../catalog/served.ts';

/** The watches that are open, so that they can be ended. */
export type OpenWatches = {
  add(watch: { served: Served; end: () => void }): () => void;
  /** Ends the watches of resources that are no longer served as they were. */
  endOf(replaced: readonly Served[]): void;
  endAll(): void;
};

/** Keeps account of open watches. */
export function createOpenWatches(): OpenWatches {
  const open = new Set<{ served: Served; end: () => void }>();
  return {
    add: (watch) => {
      open.add(watch);
      return () => open.delete(watch);
    },
    endOf: (replaced) => {
      const names = new Set(replaced.map(nameOf));
      for (const watch of [...open]) if (names.has(nameOf(watch.served))) watch.end();
    },
    endAll: () => {
      for (const watch of [...open]) watch.end();
    },
  };
}

/** By name: a resource is described anew with each write to its definition, also when nothing about it has changed. */
function nameOf({ apiVersion, resource }: Served): string {
  return `${apiVersion}/${resource.plural}`;
}
