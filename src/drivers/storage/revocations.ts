/** How a pool that several hosts have open is taken from one of them: part of what a storage pool driver is. */

/** A host in one of its boots. */
export type HostBoot = { host: string; bootID: string };

/**
 * Hosts that are kept from writing, asked for by another host that has the pool open too: one that nobody hears may run guests still, and what is
 * started in their place must not share their volumes. Each of a host's boots by itself, and the host writes only while none is revoked: who comes late
 * with an earlier boot, to revoke or to restore it, changes nothing for a later one.
 */
export type Revocations = {
  /**
   * When it resolves nothing that this host writes reaches the pool any more, from whichever of its addresses, and all that did is there; its changes are
   * refused with ReasonedError StorageRevoked. Holds until `restore`, or for as long as the storage keeps such words: asked again, it is renewed.
   */
  revoke(boot: HostBoot): Promise<void>;
  /** This boot is over for sure. Nothing there is no error. */
  restore(boot: HostBoot): Promise<void>;
  /** All that hold, by host. */
  list(): Promise<HostBoot[]>;
};
