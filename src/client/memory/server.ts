/** The in-memory API server seen from its owner: seeding, faults of connections, what was asked; and one page of a list. */
import type { KindRef, KubeObject, Stored } from '../../api/meta.ts';
import { keyOf } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { timestamp } from '../../base/clock.ts';
import type { ListOptions } from '../contract.ts';
import { ApiError } from '../contract.ts';
import { selectorOf } from '../selector.ts';
import * as rules from './rules.ts';
import type { AnyStored, State } from './state.ts';
import { createState } from './state.ts';

/** One call as the server saw it. `body` is the object or the patch of a write. */
export type MemoryRequest = {
  verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'apply' | 'delete';
  kind: KindRef;
  key?: string;
  subresource?: 'status' | 'approval';
  body?: unknown;
};

/** The server behind one or more clients, with what only its owner may do. */
export type MemoryServer = {
  /** Stores an object as given, its status included; uid and resourceVersion are made. */
  seed<T extends KubeObject>(kind: KindRef<T>, object: T): Stored<T>;
  /** Creates, updates, patches, applies and deletes so far, refused ones included. */
  writes(): readonly MemoryRequest[];
  /** Forgets the history: watches from older versions get 410. */
  compact(): void;
  /** Ends all watches, as a restarting server does. */
  disconnect(): void;
  /** Sends a bookmark to the watches that asked for bookmarks. */
  bookmark(): void;
  readonly clock: Clock;
  readonly state: State;
  readonly log: MemoryRequest[];
};

/** The way in: the server holds nobody's objects, and undefined does not exist. What goes out is frozen. */
export function overTheWire<T>(value: T): T {
  return value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T);
}

/** A server without objects. */
export function createMemoryServer(clock: Clock, historyLimit: number): MemoryServer {
  const state = createState(historyLimit);
  const log: MemoryRequest[] = [];
  return {
    clock,
    state,
    log,
    seed: <T extends KubeObject>(kind: KindRef<T>, object: T) => {
      rules.checkObject(kind, object);
      const old = state.get(kind, keyOf(object.metadata));
      const metadata = {
        creationTimestamp: timestamp(clock),
        generation: 1,
        ...object.metadata,
        uid: object.metadata.uid ?? old?.metadata.uid ?? nextUid(state),
      };
      return state.put(kind, overTheWire({ ...object, metadata })) as Stored<T>;
    },
    writes: () => log.filter(({ verb }) => verb !== 'get' && verb !== 'list' && verb !== 'watch'),
    compact: state.compact,
    disconnect: () => state.announce({ type: 'end' }),
    bookmark: () => state.announce({ type: 'bookmark', revision: state.revision() }),
  };
}

/** Unique on this server and the same in every run of one story. */
export function nextUid(state: State): string {
  return `00000000-0000-4000-8000-${state.revision().toString(16).padStart(12, '0')}`;
}

/** One page; its resourceVersion is that of the first page, so that a watch from there misses nothing. */
export function pageOf(
  state: State,
  kind: KindRef,
  options: ListOptions,
): { items: AnyStored[]; resourceVersion: string; continue?: string } {
  const selects = selectorOf(options);
  const [revision, after] = (options.continue ?? `${state.revision()} `).split(' ');
  if (Number(revision) < state.compactedAt()) {
    throw new ApiError(410, 'Expired', 'The provided continue parameter is too old');
  }
  const rest = state
    .list(kind)
    .filter((object) => selects(object) && (after === '' || keyOf(object.metadata) > (after ?? '')));
  const items = rest.slice(0, options.limit ?? rest.length);
  const last = items.at(-1);
  const result = { items, resourceVersion: revision ?? '' };
  if (last === undefined || items.length === rest.length) return result;
  return { ...result, continue: `${revision} ${keyOf(last.metadata)}` };
}
