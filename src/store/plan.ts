/** Decides, without side effects, what a commit would change: conditions first, then one revision for all its changes. */
import type { Entry, Write, WriteConflict } from './contract.ts';
import type { CommitRecord, LoggedChange } from './journal.ts';
import { checkKey } from './keys.ts';
import { alone } from './values.ts';

/** The values of one commit together, in bytes: far beyond any object, far below what one frame of the file can hold. */
const maxCommitBytes = 64 * 1024 * 1024;

export type Plan = { ok: true; commit: CommitRecord } | WriteConflict;

/** Throws a RangeError for keys that are not allowed or named twice; done before a commit is queued. */
export function checkWrites(writes: readonly Write[]): void {
  const seen = new Set<string>();
  for (const { key } of writes) {
    checkKey(key);
    if (seen.has(key)) throw new RangeError(`the key "${key}" is written twice in one commit`);
    seen.add(key);
  }
}

/** Plans one commit at `revision` over the state that `lookup` shows. Deleting what is not there changes nothing. */
export function planCommit(
  writes: readonly Write[],
  revision: number,
  lookup: (key: string) => Entry | undefined,
): Plan {
  for (const { key, expect } of writes) {
    const current = lookup(key);
    if (expect !== undefined && expect !== (current?.modRevision ?? 0)) {
      return { ok: false, key, ...(current && { current }) };
    }
  }
  const changes = writes.flatMap((write) => planChange(write, revision, lookup(write.key)));
  const bytes = changes.reduce((sum, change) => sum + (change.type === 'put' ? change.value.length : 0), 0);
  if (bytes > maxCommitBytes) {
    throw new RangeError(`a commit of ${bytes} bytes is larger than the ${maxCommitBytes} allowed`);
  }
  return { ok: true, commit: { revision, changes } };
}

function planChange(write: Write, revision: number, before: Entry | undefined): LoggedChange[] {
  const { key } = write;
  if ('delete' in write) {
    return before ? [{ type: 'delete', key, revision, previous: before.value, before }] : [];
  }
  const value = alone(typeof write.put === 'function' ? write.put(revision) : write.put);
  const createRevision = before?.createRevision ?? revision;
  const after = { key, value, createRevision, modRevision: revision };
  const replaced = before && { previous: before.value, before };
  return [{ type: 'put', key, revision, value, createRevision, after, ...replaced }];
}

/** The entry a change leaves behind; undefined after a delete. */
export function entryAfter(change: LoggedChange): Entry | undefined {
  if (change.type === 'delete') return undefined;
  const { key, value, createRevision, revision } = change;
  return change.after ?? { key, value, createRevision, modRevision: revision };
}
