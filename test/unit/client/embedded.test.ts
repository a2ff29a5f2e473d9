import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CustomResourceDefinition, Lease, Namespace } from '../../../src/api/core.ts';
import { loadCredentials } from '../../../src/apiserver/pki/credentials.ts';
import { createApiServer } from '../../../src/apiserver/server.ts';
import { done } from '../../../src/base/outcome.ts';
import { createClient } from '../../../src/client/client.ts';
import type { Client } from '../../../src/client/contract.ts';
import { loadKubeconfig } from '../../../src/client/kubeconfig.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { createManager } from '../../../src/runtime/engine.ts';
import { runAsLeader } from '../../../src/runtime/leader.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { Guest, guest } from './guests.ts';

const world = { ...realWorld({ logLevel: 'error' }) };
const web = { namespace: 'lab', name: 'web' };
let folder = '';
let store: Store;
let client: Client;
let close: () => Promise<void>;

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** The definition of guests, with a status and a field to select by. */
const definition: CustomResourceDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'guests.vireo.dev' },
  spec: {
    group: 'vireo.dev',
    scope: 'Namespaced',
    names: { kind: 'Guest', plural: 'guests', singular: 'guest', listKind: 'GuestList' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } },
      },
    ],
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-embedded-'));
  store = createMemoryStore();
  const credentials = await loadCredentials({ directory: join(folder, 'pki'), world, hosts: ['127.0.0.1'] });
  const server = await createApiServer({
    store,
    world,
    credentials,
    listen: { host: '127.0.0.1', port: 0 },
    version: '0.0.0',
  });
  const path = join(folder, 'kubeconfig');
  await credentials.writeKubeconfig(path, server.url);
  client = createClient({
    kubeconfig: await loadKubeconfig({ path, files: world.files }),
    fieldManager: 'vireo-test',
    world,
  });
  close = async () => {
    await client.close();
    await server.close();
    await store.close();
  };
  await client.create(CustomResourceDefinition, definition);
  await client.create(Namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'lab' },
    spec: {},
  });
  await vi.waitFor(() => client.list(Guest));
});
afterAll(async () => {
  await close();
  await rm(folder, { recursive: true, force: true });
});

describe('the client and the embedded API server', () => {
  it('agree on the life of an object', async () => {
    expect((await client.raw('/readyz')).code).toBe(200);
    const made = await client.create(Guest, guest('web', { metadata: { finalizers: ['vireo.dev/host'] } }));
    expect(made.metadata).toMatchObject({ generation: 1 });
    await expect(client.create(Guest, guest('web'))).rejects.toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
    });

    const { uid, resourceVersion } = made.metadata;
    const status = { metadata: { uid, resourceVersion }, status: { phase: 'Running' } };
    const written = await client.mergePatch(Guest, web, status, { subresource: 'status' });
    expect(written).toMatchObject({ status: { phase: 'Running' }, metadata: { generation: 1 } });
    const stale = client.mergePatch(Guest, web, status, { subresource: 'status' });
    await expect(stale).rejects.toMatchObject({ code: 409, reason: 'Conflict' });

    const same = await client.mergePatch(
      Guest,
      web,
      { status: { phase: 'Running' } },
      { subresource: 'status' },
    );
    expect(same.metadata.resourceVersion).toBe(written.metadata.resourceVersion);
    const applied = await client.apply(Guest, guest('web', { spec: { cores: 4 } }), { force: true });
    expect(applied).toMatchObject({ spec: { cores: 4 }, metadata: { generation: 2 } });

    await expect(client.delete(Guest, web, { uid: 'another' })).rejects.toMatchObject({ code: 409 });
    await client.delete(Guest, web, { uid });
    expect((await client.get(Guest, web)).metadata.deletionTimestamp).toBeDefined();
    await client.mergePatch(Guest, web, { metadata: { finalizers: [] } });
    expect(await client.find(Guest, web)).toBeUndefined();
  });

  it('agree on lists, watches and what is too old', async () => {
    for (const name of ['a', 'b', 'c']) await client.create(Guest, guest(name));
    const first = await client.list(Guest, { namespace: 'lab', limit: 2 });
    const second = await client.list(Guest, { namespace: 'lab', limit: 2, continue: first.continue ?? '' });
    expect([...first.items, ...second.items].map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c']);

    const stop = new AbortController();
    const { resourceVersion } = first;
    const events: string[] = [];
    const watching = (async () => {
      for await (const event of client.watch(Guest, { resourceVersion, signal: stop.signal })) {
        if (event.type !== 'BOOKMARK') events.push(`${event.type} ${event.object.metadata.name}`);
      }
    })();
    await client.mergePatch(Guest, { namespace: 'lab', name: 'b' }, { spec: { cores: 9 } });
    await client.delete(Guest, { namespace: 'lab', name: 'c' });
    await expect.poll(() => events).toEqual(['MODIFIED b', 'DELETED c']);
    stop.abort();
    await watching;

    await store.compact(store.revision());
    const late = async (): Promise<void> => {
      for await (const _ of client.watch(Guest, { resourceVersion: '1' }));
    };
    await expect(late()).rejects.toMatchObject({ code: 410 });
    for (const name of ['a', 'b']) await client.delete(Guest, { namespace: 'lab', name });
  });

  it('carry a leader and its controllers', async () => {
    const stop = new AbortController();
    const passes: string[] = [];
    const lead = async (signal: AbortSignal): Promise<void> => {
      const manager = createManager({ client, world, component: 'vireo-test' });
      manager.add<Guest>({
        name: 'guests',
        kind: Guest,
        informer: manager.informers.informer(Guest),
        writes: ['status.phase', 'status.observedGeneration'],
        finalizer: 'vireo.dev/host',
        stamp: ({ metadata }) => ({ 'vireo.dev/started': `${metadata.name}/${metadata.uid}` }),
        reconcile: async ({ object, event }) => {
          passes.push(object.metadata.name);
          event('Normal', 'Started', 'it runs');
          const observedGeneration = object.metadata.generation ?? 0;
          return { outcome: done, status: { phase: 'Running', observedGeneration } };
        },
        remove: async () => ({ outcome: done }),
      });
      await manager.run(signal);
    };
    const options = { client, world, namespace: 'lab', name: 'leader', identity: 'one' };
    const ended = runAsLeader(options, lead, stop.signal);
    const names = Array.from({ length: 50 }, (_, index) => `g${index}`);
    await Promise.all(names.map((name) => client.create(Guest, guest(name))));
    const phases = async () =>
      (await client.list(Guest)).items.filter(({ status }) => status?.phase === 'Running').length;
    await expect.poll(phases, { timeout: 10_000 }).toBe(50);
    expect(passes).toHaveLength(50);

    await client.mergePatch(Guest, { namespace: 'lab', name: 'g7' }, { spec: { cores: 2 } });
    await expect
      .poll(async () => (await client.get(Guest, { namespace: 'lab', name: 'g7' })).status)
      .toMatchObject({
        observedGeneration: 2,
      });
    expect(passes.slice(50)).toEqual(['g7']);

    await Promise.all(names.map((name) => client.delete(Guest, { namespace: 'lab', name })));
    await expect.poll(async () => (await client.list(Guest)).items.length, { timeout: 10_000 }).toBe(0);
    stop.abort();
    await ended;
    const { spec } = await client.get(Lease, { namespace: 'lab', name: 'leader' });
    expect(spec.holderIdentity ?? '').toBe('');
  });
});
