/**
 * A Kubernetes API in memory behind the Client contract: resourceVersions and conflicts, generation, the status
 * subresource, finalizers, selectors, watches with history. The simulator and the tests of controllers run on it. It
 * knows no schema (nothing is validated, defaulted or pruned), no owner references, and applies as a plain merge.
 */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import { keyOf } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import { timestamp } from '../base/clock.ts';
import type { Client, ListOptions, ObjectRef, RequestOptions, WatchEvent, WriteOptions } from './contract.ts';
import { ApiError } from './contract.ts';
import * as rules from './memory/rules.ts';
import type { MemoryRequest, MemoryServer } from './memory/server.ts';
import { createMemoryServer, nextUid, overTheWire, pageOf } from './memory/server.ts';
import type { AnyStored } from './memory/state.ts';
import { watchState } from './memory/watch.ts';
import { applyMergePatch } from './patch.ts';

export type { MemoryRequest, MemoryServer } from './memory/server.ts';

export type MemoryClient = Client & MemoryServer;

export type MemoryOptions = {
  clock: Clock;
  /** Another client's server, so that two roles meet in the same objects. */
  server?: MemoryServer;
  /** Called before each request of this client; what it throws, the caller gets: faults and delays. */
  intercept?: (request: MemoryRequest) => void | Promise<void>;
  /** Changes kept for watches; default 10,000. */
  historyLimit?: number;
};

/** Makes a client with a server of its own, or another client of `server`. */
export function createMemoryClient(options: MemoryOptions): MemoryClient {
  const server = options.server ?? createMemoryServer(options.clock, options.historyLimit ?? 10_000);
  const { state, clock } = server;

  const arrive = async (request: MemoryRequest, signal?: AbortSignal): Promise<void> => {
    server.log.push(request);
    await options.intercept?.(request);
    if (signal?.aborted === true) throw new ApiError(0, 'Aborted', 'the request was aborted');
  };

  /** Resolves with the body as the server has it. */
  const write = async <B>(
    verb: MemoryRequest['verb'],
    kind: KindRef,
    ref: ObjectRef,
    how?: WriteOptions,
    given?: B,
  ): Promise<B> => {
    const body = overTheWire(given) as B;
    const request: MemoryRequest = { verb, kind, key: keyOf(ref), body };
    await arrive(
      how?.subresource === undefined ? request : { ...request, subresource: how.subresource },
      how?.signal,
    );
    return body;
  };

  const existing = (kind: KindRef, ref: ObjectRef): AnyStored => {
    const found = state.get(kind, keyOf(ref));
    if (found === undefined) throw rules.notFound(kind, ref.name);
    return found;
  };

  const store = (kind: KindRef, current: AnyStored, next: AnyStored, how?: WriteOptions): AnyStored => {
    if (next === current || how?.dryRun === true) return next;
    return rules.isReleased(next) ? state.remove(kind, next) : state.put(kind, next);
  };

  const insert = (kind: KindRef, object: KubeObject, how?: WriteOptions): AnyStored => {
    const fresh = rules.created(kind, object, nextUid(state), timestamp(clock));
    const metadata = { ...fresh.metadata, uid: fresh.metadata.uid ?? '', resourceVersion: '' };
    return how?.dryRun === true ? { ...fresh, metadata } : state.put(kind, { ...fresh, metadata });
  };

  const change = (kind: KindRef, ref: ObjectRef, patch: unknown, how?: WriteOptions): AnyStored => {
    const current = existing(kind, ref);
    const { resourceVersion: _, ...metadata } = current.metadata;
    const next = applyMergePatch({ ...current, metadata }, patch) as KubeObject;
    return store(kind, current, rules.updated(kind, current, next, how?.subresource), how);
  };

  const client: Client = {
    get: async <T extends KubeObject>(kind: KindRef<T>, ref: ObjectRef, how: RequestOptions = {}) => {
      await arrive({ verb: 'get', kind, key: keyOf(ref) }, how.signal);
      return existing(kind, ref) as Stored<T>;
    },
    find: async <T extends KubeObject>(kind: KindRef<T>, ref: ObjectRef, how: RequestOptions = {}) => {
      await arrive({ verb: 'get', kind, key: keyOf(ref) }, how.signal);
      return state.get(kind, keyOf(ref)) as Stored<T> | undefined;
    },
    list: async <T extends KubeObject>(kind: KindRef<T>, how: ListOptions = {}) => {
      await arrive({ verb: 'list', kind }, how.signal);
      return pageOf(state, kind, how) as { items: Stored<T>[]; resourceVersion: string };
    },
    create: async <T extends KubeObject>(kind: KindRef<T>, object: T, how?: WriteOptions) => {
      const body = await write('create', kind, object.metadata, how, object);
      rules.checkObject(kind, object);
      const { name } = object.metadata;
      if (state.get(kind, keyOf(object.metadata)) !== undefined) throw rules.alreadyExists(kind, name);
      return insert(kind, body, how) as Stored<T>;
    },
    update: async <T extends KubeObject>(kind: KindRef<T>, object: Stored<T>, how?: WriteOptions) => {
      const body = await write('update', kind, object.metadata, how, object);
      const current = existing(kind, object.metadata);
      const next = rules.updated(kind, current, body, how?.subresource);
      return store(kind, current, next, how) as Stored<T>;
    },
    mergePatch: async <T extends KubeObject>(
      kind: KindRef<T>,
      ref: ObjectRef,
      patch: unknown,
      how?: WriteOptions,
    ) => {
      return change(kind, ref, await write('patch', kind, ref, how, patch), how) as Stored<T>;
    },
    apply: async <T extends KubeObject>(kind: KindRef<T>, object: T, how?: WriteOptions) => {
      const body = await write('apply', kind, object.metadata, how, object);
      rules.checkObject(kind, object);
      const present = state.get(kind, keyOf(object.metadata)) !== undefined;
      const result = present ? change(kind, object.metadata, body, how) : insert(kind, body, how);
      return result as Stored<T>;
    },
    delete: async (kind, ref, how = {}) => {
      await write('delete', kind, ref, how);
      const current = existing(kind, ref);
      const { uid, resourceVersion } = current.metadata;
      if ((how.uid ?? uid) !== uid || (how.resourceVersion ?? resourceVersion) !== resourceVersion) {
        throw rules.conflict(kind, ref.name);
      }
      if (current.metadata.deletionTimestamp !== undefined) return;
      const metadata = { ...current.metadata, deletionTimestamp: timestamp(clock) };
      store(kind, current, { ...current, metadata });
    },
    watch: <T extends KubeObject>(kind: KindRef<T>, how: ListOptions & { resourceVersion: string }) =>
      intercepted(
        () => arrive({ verb: 'watch', kind }, how.signal),
        () => watchState(state, kind, how) as AsyncGenerator<WatchEvent<T>>,
      ),
    raw: async (path) => (path === '/readyz' ? { code: 200, body: 'ok' } : { code: 404, body: 'not found' }),
    close: async () => {},
  };
  return { ...server, ...client };
}

async function* intercepted<E>(
  before: () => Promise<void>,
  events: () => AsyncIterable<E>,
): AsyncGenerator<E> {
  await before();
  yield* events();
}
