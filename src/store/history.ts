/** Reads of the past: the present with later changes taken back. */
import type { Entry } from './contract.ts';
import type { CommitRecord } from './journal.ts';
import { compareKeys } from './keys.ts';
import type { Table } from './table.ts';

/** Entries under `prefix` after key `after`, in order, as they stood before `later` (all commits since then) happened. */
export function* scanPast(
  table: Table,
  later: Iterable<CommitRecord>,
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
