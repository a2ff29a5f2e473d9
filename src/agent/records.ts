/** The records of all guests of this host: in memory for reading, on disk before anyone may act on a change. */
import { join } from 'node:path';
import type { Files } from '../base/files.ts';
import { ReasonedError } from '../base/outcome.ts';
import { type Announcement, createAnnouncement } from './announcement.ts';
import { type GuestRecord, parseRecord } from './record.ts';
import { createTurns } from './turns.ts';

export type Records = {
  all(): readonly GuestRecord[];
  /** Records that are expected, or being written for the first time: nothing may be done by them yet. */
  coming(): readonly GuestRecord[];
  /** Has one among those that come, until it is written or the returned function says that it will not be. */
  expect(record: GuestRecord): () => void;
  count(): number;
  get(id: string): GuestRecord | undefined;
  /** The record of an object's guest by kind and `namespace/name`. */
  byKey(kind: string, key: string): GuestRecord | undefined;
  /** Ids whose record cannot be read: their guests are never touched. */
  broken(): ReadonlySet<string>;
  /** Changes one record; resolves when it is fsynced. Changes of one guest follow each other. An equal one is not written. */
  update(id: string, change: (record: GuestRecord | undefined) => GuestRecord): Promise<GuestRecord>;
  /** Forgets a guest together with its directory, all but `left`. */
  remove(id: string): Promise<void>;
  /** Whose record was removed since this agent began, and its last epoch: what shows the guest here by that one is an old view. */
  left(id: string): { uid: string; epoch: number } | undefined;
  /** What left before the API was restored from an older copy may be placed here again by what the API knows now. */
  forgetLeft(): void;
  /** Told the id of each record that was added, changed or removed. */
  readonly changed: Announcement<string>;
};

type RecordFiles = Pick<
  Files,
  'readText' | 'writeAtomic' | 'makeDirectory' | 'list' | 'removeTree' | 'remove' | 'sync'
>;

/** Where the guests of a state directory are. */
export function guestsDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'guests');
}

/** Loads all records of a state directory. */
export async function openRecords(files: RecordFiles, stateDirectory: string): Promise<Records> {
  const directory = guestsDirectory(stateDirectory);
  const fileOf = (id: string) => join(directory, id, 'record.json');
  const records = new Map<string, GuestRecord>();
  const ids = new Map<string, string>();
  const broken = new Set<string>();
  const coming = new Map<string, GuestRecord>();
  const left = new Map<string, { uid: string; epoch: number }>();
  const turns = createTurns();
  const changed = createAnnouncement<string>();

  const keep = (record: GuestRecord) => {
    records.set(record.id, record);
    ids.set(`${record.kind}/${record.namespace}/${record.name}`, record.id);
  };
  const write = async (id: string, text: string, isNew: boolean): Promise<void> => {
    if (isNew) {
      if (records.size === 0) await files.makeDirectory(directory);
      await files.makeDirectory(join(directory, id), { mode: 0o711, fleeting: true });
    }
    await Promise.all([
      files.writeAtomic(fileOf(id), `${text}\n`, { mode: 0o600 }),
      // The new directory is made durable beside the record in it.
      isNew ? files.sync(directory) : undefined,
    ]);
  };
  for (const id of await files.list(directory)) {
    const text = await files.readText(fileOf(id));
    if (text === undefined) continue;
    const record = parseRecord(text, id);
    if (record === undefined) broken.add(id);
    else keep(record);
  }

  return {
    changed,
    all: () => [...records.values()],
    coming: () => [...coming.values()],
    expect: (record) => {
      const { id } = record;
      if (records.has(id)) return () => {};
      coming.set(id, record);
      return () => {
        if (coming.get(id) !== record) return;
        coming.delete(id);
        changed.tell(id);
      };
    },
    count: () => records.size,
    get: (id) => records.get(id),
    byKey: (kind, key) => {
      const id = ids.get(`${kind}/${key}`);
      return id === undefined ? undefined : records.get(id);
    },
    broken: () => broken,
    left: (id) => left.get(id),
    forgetLeft: () => left.clear(),
    update: (id, change) =>
      turns.take(id, async () => {
        if (broken.has(id)) throw brokenRecord(fileOf(id));
        const before = records.get(id);
        const after = change(before);
        const text = JSON.stringify(after);
        if (before !== undefined && JSON.stringify(before) === text) return before;
        if (before === undefined) coming.set(id, after);
        try {
          await write(id, text, before === undefined);
          keep(after);
          left.delete(id);
          return after;
        } finally {
          coming.delete(id);
          changed.tell(id);
        }
      }),
    remove: (id) =>
      turns.take(id, async () => {
        const record = records.get(id);
        if (record === undefined) return;
        await files.removeTree(join(directory, id));
        records.delete(id);
        left.set(id, { uid: record.uid, epoch: record.epoch });
        ids.delete(`${record.kind}/${record.namespace}/${record.name}`);
        changed.tell(id);
      }),
  };
}

function brokenRecord(path: string): ReasonedError {
  const message = `${path} cannot be read, so nothing is done with its guest: restore the file, or take it away once the guest is known to be off`;
  return new ReasonedError('RecordBroken', message, { stalled: true });
}
