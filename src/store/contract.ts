/**
 * The store: an ordered, durable, revisioned map from keys to bytes, in the manner of etcd's KV API. It knows nothing of
 * Kubernetes. Reads are synchronous (memory-mapped or in memory); a write resolves only once it is on disk.
 */

/** One stored value; the store may keep the very array it was given, so nobody changes it afterwards. `modRevision` is the revision of its last write, `createRevision` of its first. */
export type Entry = { key: string; value: Uint8Array; createRevision: number; modRevision: number };

/** One committed change, in the order of revisions. `previous` is what stood there before. */
export type Change =
  | {
      type: 'put';
      key: string;
      revision: number;
      value: Uint8Array;
      previous?: Uint8Array;
      createRevision: number;
    }
  | { type: 'delete'; key: string; revision: number; previous: Uint8Array };

/** One conditional write. `expect`: the modRevision that must stand there now, 0 for "must not exist", absent for any. */
export type Write = { key: string; expect?: number } & (
  | { put: Uint8Array | ((revision: number) => Uint8Array) }
  | { delete: true }
);

/** A write that met another revision than expected; `current` is what stands there (absent: nothing). */
export type WriteConflict = { ok: false; key: string; current?: Entry };
export type WriteResult = { ok: true; revision: number } | WriteConflict;

export type RangeOptions = {
  prefix: string;
  /** Start after this key. */
  after?: string;
  limit?: number;
  /** Read as of this revision; throws CompactedError when that history is gone. Default: now. */
  revision?: number;
};

export class CompactedError extends Error {
  readonly compactedRevision: number;
  constructor(compactedRevision: number) {
    super(`history up to revision ${compactedRevision} has been compacted`);
    this.name = 'CompactedError';
    this.compactedRevision = compactedRevision;
  }
}

/** Thrown by a write that the disk refuses; reads go on. */
export class StoreFullError extends Error {}

export type Store = {
  /** The revision of the newest acknowledged write; 1 in an empty store. */
  revision(): number;
  /** Changes up to and including this revision are no longer readable. */
  compactedRevision(): number;
  get(key: string): Entry | undefined;
  range(options: RangeOptions): { entries: Entry[]; more: boolean };
  count(prefix: string): number;
  /**
   * Writes all or nothing at one new revision. `put` may be a function of that revision, so a value can carry it.
   * Resolves after fsync (group commit: concurrent commits share one). Conditions are checked in commit order.
   */
  commit(writes: readonly Write[]): Promise<WriteResult>;
  /** Changes after `revision`, oldest first, at most `limit`; throws CompactedError. */
  changesAfter(revision: number, limit: number): Change[];
  /** Called once per durable change, in order, right before its commit resolves. Returns the end of the subscription. */
  subscribe(listener: (changes: readonly Change[]) => void): () => void;
  /** Forgets history up to `revision`. */
  compact(revision: number): Promise<void>;
  close(): Promise<void>;
};
