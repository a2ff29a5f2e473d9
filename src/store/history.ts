/** History: the state at the compacted revision and every commit since; with it the past is read and watches resume. */
import type { Entry } from './contract.ts';
import type { CommitRecord } from './journal.ts';
import { compareKeys } from './keys.ts';
import { entryAfter } from './plan.ts';
import type { Table } from './table.ts';

export type History = {
  compactedRevision(): number;
  /** The newest revision. */
  revision(): number;
  /** Adds the commit that follows the newest one. */
  add(commit: CommitRecord): void;
  /** Commits after `revision`, oldest first: all, or the first `limit` of them. */
  after(revision: number, limit?: number): readonly CommitRecord[];
  /** Moves the start of history up to `revision`. */
  trim(revision: number): void;
  /** The entries as they stood at the compacted revision; not valid across a trim. */
  base(): Iterable<Entry>;
  /** About how many bytes all this takes in a file. */
  bytes(): number;
  /** The newest entries by their keys, in a map that is the caller's. */
  newest(): Map<string, Entry>;
};

/** History that starts at `compactedRevision` with the entries `base`. */
export function createHistory(base: Iterable<Entry>, compactedRevision: number): History {
  const start = new Map<string, Entry>();
  for (const entry of base) start.set(entry.key, entry);
  let compacted = compactedRevision;
  let commits: CommitRecord[] = [];
  let bytes = 0;
  for (const entry of start.values()) bytes += entryBytes(entry);

  // Revisions have no gaps, so a commit's place follows from its revision.
  const placeAfter = (revision: number): number => Math.max(0, revision - compacted);

  return {
    compactedRevision: () => compacted,
    revision: () => compacted + commits.length,
    add: (commit) => {
      commits.push(commit);
      bytes += commitBytes(commit);
    },
    after: (revision, limit = Number.POSITIVE_INFINITY) =>
      commits.slice(placeAfter(revision), placeAfter(revision) + limit),
    trim: (revision) => {
      const place = placeAfter(revision);
      for (const commit of commits.slice(0, place)) bytes += replay(start, commit) - commitBytes(commit);
      commits = commits.slice(place);
      compacted = Math.max(compacted, revision);
    },
    base: () => start.values(),
    bytes: () => bytes,
    newest: () => {
      const newest = new Map(start);
      for (const commit of commits) replay(newest, commit);
      return newest;
    },
  };
}

/** Returns by how many bytes the state has grown. */
function replay(state: Map<string, Entry>, { changes }: CommitRecord): number {
  let growth = 0;
  for (const change of changes) {
    const before = state.get(change.key);
    if (before !== undefined) growth -= entryBytes(before);
    const entry = entryAfter(change);
    if (entry === undefined) {
      state.delete(change.key);
      continue;
    }
    state.set(change.key, entry);
    growth += entryBytes(entry);
  }
  return growth;
}

/** About how many bytes an entry takes in a file. */
export function entryBytes({ key, value }: Entry): number {
  return key.length + value.length + 24;
}

/** About how many bytes a commit takes in a file. */
export function commitBytes({ changes }: CommitRecord): number {
  return changes.reduce(
    (sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.length : 0) + 9,
    12,
  );
}

/** Entries under `prefix` after key `after`, in order, as they stood before the commits `later` (all since then) happened. */
export function* scanPast(
  table: Table,
  later: readonly CommitRecord[],
  prefix: string,
  after?: string,
): Iterable<Entry> {
  const past = new Map<string, Entry | undefined>();
  for (const { changes } of later) {
    for (const { key, before } of changes) {
      // The oldest change since then knows what stood there; later ones do not.
      if (key.startsWith(prefix) && !past.has(key)) past.set(key, before);
    }
  }
  const gone = [...past.values()]
    .flatMap((entry) => (entry && isAfter(entry.key, after) && !table.get(entry.key) ? [entry] : []))
    .sort((a, b) => compareKeys(a.key, b.key));
  let next = 0;
  for (const current of table.scan(prefix, after)) {
    for (let entry = gone[next]; entry && compareKeys(entry.key, current.key) < 0; entry = gone[++next]) {
      yield entry;
    }
    const entry = past.has(current.key) ? past.get(current.key) : current;
    if (entry !== undefined) yield entry;
  }
  yield* gone.slice(next);
}

function isAfter(key: string, after: string | undefined): boolean {
  return after === undefined || compareKeys(key, after) > 0;
}
