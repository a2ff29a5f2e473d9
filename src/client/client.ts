/** The Client contract over HTTP: which path, which query, which content type for each request. */
import type { KindRef, KubeObject, Stored } from '../api/meta.ts';
import { apiVersionOf } from '../api/meta.ts';
import type { World } from '../base/world.ts';
import { itemsOf, objectOf } from './answers.ts';
import type { Client, ObjectRef, RequestOptions, WriteOptions } from './contract.ts';
import { ApiError } from './contract.ts';
import type { Kubeconfig } from './kubeconfig.ts';
import { isJsonObject } from './patch.ts';
import type { Query } from './paths.ts';
import { pathOf, placeOf, selection } from './paths.ts';
import { createTransport } from './transport.ts';
import { watchOver } from './watch.ts';

export type ClientOptions = {
  kubeconfig: Kubeconfig;
  /** Owner of the fields this client writes: one constant name per role. */
  fieldManager: string;
  world: Pick<World, 'clock' | 'random'>;
  /** Deadline of a request that names none, milliseconds; default 30 s. */
  timeoutMs?: number;
  /** Pings of the connection, milliseconds; default 10 s. A client for leases takes a third of the lease. */
  pingMs?: number;
  /** A watch silent for this long is ended; default 150 s: servers send bookmarks about every minute. */
  inactivityMs?: number;
};

/** Makes a client with a connection of its own; nothing is opened before the first request. */
export function createClient(options: ClientOptions): Client {
  const { kubeconfig, fieldManager, world } = options;
  const transport = createTransport({
    kubeconfig,
    clock: world.clock,
    userAgent: `vireo/${fieldManager}`,
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.pingMs === undefined ? {} : { pingMs: options.pingMs }),
  });

  const read = async (path: string, { signal, timeoutMs }: RequestOptions = {}) =>
    objectOf(await transport.request({ method: 'GET', path, signal, timeoutMs }));

  const write = async <T extends KubeObject>(
    method: string,
    path: string,
    contentType: string,
    body: unknown,
    { signal, timeoutMs }: RequestOptions = {},
  ): Promise<Stored<T>> => {
    const headers = { 'content-type': contentType };
    const request = { method, path, headers, body: JSON.stringify(body), signal, timeoutMs };
    return objectOf(await transport.request(request)) as unknown as Stored<T>;
  };

  const writeQuery = (how: WriteOptions = {}): Query => ({
    fieldManager,
    dryRun: how.dryRun === true ? 'All' : undefined,
  });

  const get = async <T extends KubeObject>(kind: KindRef<T>, ref: ObjectRef, how?: RequestOptions) =>
    (await read(pathOf(kind, placeOf(kind, ref), {}), how)) as unknown as Stored<T>;

  return {
    get,
    find: async (kind, ref, how) => {
      try {
        return await get(kind, ref, how);
      } catch (error) {
        if (error instanceof ApiError && error.code === 404) return undefined;
        throw error;
      }
    },
    list: async (kind, how = {}) => {
      const { namespace } = how;
      const list = await read(
        pathOf(kind, namespace === undefined ? {} : { namespace }, selection(how)),
        how,
      );
      const metadata = isJsonObject(list.metadata) ? list.metadata : {};
      const more = typeof metadata.continue === 'string' ? metadata.continue : '';
      return {
        items: itemsOf(kind, list, apiVersionOf(kind)),
        resourceVersion: String(metadata.resourceVersion ?? ''),
        ...(more === '' ? {} : { continue: more }),
      };
    },
    create: async (kind, object, how) => {
      const { name: _, ...place } = placeOf(kind, object.metadata, how);
      return write('POST', pathOf(kind, place, writeQuery(how)), 'application/json', object, how);
    },
    update: async (kind, object, how) => {
      const path = pathOf(kind, placeOf(kind, object.metadata, how), writeQuery(how));
      return write('PUT', path, 'application/json', object, how);
    },
    mergePatch: async (kind, ref, patch, how) => {
      const path = pathOf(kind, placeOf(kind, ref, how), writeQuery(how));
      return write('PATCH', path, 'application/merge-patch+json', patch, how);
    },
    apply: async (kind, object, how) => {
      const query = { ...writeQuery(how), force: how?.force === true ? 'true' : undefined };
      const path = pathOf(kind, placeOf(kind, object.metadata, how), query);
      return write('PATCH', path, 'application/apply-patch+yaml', object, how);
    },
    delete: async (kind, ref, how = {}) => {
      const { uid, resourceVersion, propagationPolicy } = how;
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        preconditions: { uid, resourceVersion },
        propagationPolicy,
      };
      await write('DELETE', pathOf(kind, placeOf(kind, ref), {}), 'application/json', body, how);
    },
    watch: (kind, how) => watchOver(transport, world, kind, how, options.inactivityMs),
    raw: async (path, how = {}) => {
      const answer = await transport.request({
        method: 'GET',
        path,
        ...(how.accept === undefined ? {} : { headers: { accept: how.accept } }),
        signal: how.signal,
        timeoutMs: how.timeoutMs,
      });
      return { code: answer.code, body: answer.text };
    },
    close: async () => transport.close(),
  };
}
