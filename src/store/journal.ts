/** The journal: where commits become durable. One engine serves the store over any journal, so memory and disk cannot differ. */
import type { Change, Entry } from './contract.ts';

/**
 * A change with the whole entry it replaced, which reading at an older revision needs, and the one that a put has left, which is one and the
 * same for all who keep it.
 */
export type LoggedChange = Change & { before?: Entry; after?: Entry };

/** All changes of one commit; they share its revision. */
export type CommitRecord = { revision: number; changes: readonly LoggedChange[] };

export type Journal = {
  /**
   * Makes the commits durable in one step, all or none. Throws StoreFullError when nothing was written and later writes may
   * succeed; after any other error what is on disk is unknown and the engine stops writing.
   */
  append(commits: readonly CommitRecord[]): Promise<void>;
  /** Remembers durably that history up to `revision` may be forgotten, and gives its room back when that is worth it. */
  trim(revision: number): Promise<void>;
  close(): Promise<void>;
};
