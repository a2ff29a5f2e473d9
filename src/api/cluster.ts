/** Names that all roles share: namespaces, finalizers, annotations, the cluster's own ConfigMap. */

/** Where Vireo keeps its own objects: leases, the cluster ConfigMap. */
export const SYSTEM_NAMESPACE = 'vireo-system';

/** ConfigMap in SYSTEM_NAMESPACE with `id` (made once) and `incarnation` (raised by each new leader). */
export const CLUSTER_CONFIG_MAP = 'cluster';

/** Holds a guest until its host has removed everything of it. */
export const GUEST_FINALIZER = 'vireo.dev/guest';
/** Holds a pool or image until no guest uses it. */
export const IN_USE_FINALIZER = 'vireo.dev/in-use';

/** Hold a migration until its source, and its target, have nothing more to do for it. */
export const MIGRATION_FINALIZERS = {
  source: 'vireo.dev/migration-source',
  target: 'vireo.dev/migration-target',
} as const;

/** `<name>/<metadata.uid>`, written before the first side effect: the same name with another uid is a restored copy. */
export const STARTED_ANNOTATION = 'vireo.dev/started';

/** Name of a host's Lease in SYSTEM_NAMESPACE. */
export function hostLeaseName(host: string): string {
  return `host-${host}`;
}

/** Seconds a host's Lease is valid; renewed every third of it. */
export const HOST_LEASE_SECONDS = 15;
