import { describe, expect, it } from 'vitest';
import type { WatchEvent } from '../../../src/client/contract.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';
import { Guest, guest } from './guests.ts';

const web = { namespace: 'lab', name: 'web' };

function server() {
  const clock = createFakeClock();
  return { clock, client: createMemoryClient({ clock }) };
}

/** Collects a watch's events until the returned function ends it. */
function listen(client: ReturnType<typeof createMemoryClient>, resourceVersion: string, more = {}) {
  const stop = new AbortController();
  const events: WatchEvent<Guest>[] = [];
  const ended = (async () => {
    const watch = client.watch(Guest, { resourceVersion, signal: stop.signal, bookmarks: true, ...more });
    for await (const event of watch) events.push(event);
  })();
  const names = (): string[] =>
    events.map((event) =>
      event.type === 'BOOKMARK' ? 'BOOKMARK' : `${event.type} ${event.object.metadata.name}`,
    );
  return { events, names, ended, stop: () => stop.abort() };
}

describe('an object in the memory server', () => {
  it('is identified when created, without the status its author claims', async () => {
    const { client } = server();
    const made = await client.create(Guest, guest('web', { status: { phase: 'Running' } }));
    expect(made.metadata).toMatchObject({ generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' });
    expect(made.metadata.uid).not.toBe('');
    expect(made.status).toBeUndefined();
    await expect(client.create(Guest, guest('web'))).rejects.toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
    });
  });

  it('raises its generation for the spec only, and its version for every change', async () => {
    const { client } = server();
    const made = await client.create(Guest, guest('web'));
    const bigger = await client.mergePatch(Guest, web, { spec: { cores: 4 } });
    const labelled = await client.mergePatch(Guest, web, { metadata: { labels: { tier: 'front' } } });
    const same = await client.mergePatch(Guest, web, { spec: { cores: 4 } });
    expect([made, bigger, labelled, same].map(({ metadata }) => metadata.generation)).toEqual([1, 2, 2, 2]);
    expect(same.metadata.resourceVersion).toBe(labelled.metadata.resourceVersion);
    expect(Number(labelled.metadata.resourceVersion)).toBeGreaterThan(
      Number(bigger.metadata.resourceVersion),
    );
  });

  it('keeps spec and status apart', async () => {
    const { client } = server();
    await client.create(Guest, guest('web'));
    const sneaky = { spec: { cores: 9 }, status: { phase: 'Running' } };
    const status = await client.mergePatch(Guest, web, sneaky, { subresource: 'status' });
    expect(status).toMatchObject({ spec: { cores: 1 }, status: { phase: 'Running' } });
    const spec = await client.mergePatch(Guest, web, { spec: { cores: 2 }, status: { phase: 'Stopped' } });
    expect(spec).toMatchObject({ spec: { cores: 2 }, status: { phase: 'Running' } });
  });

  it('refuses a write that read an older version', async () => {
    const { client } = server();
    const old = await client.create(Guest, guest('web'));
    await client.mergePatch(Guest, web, { spec: { cores: 2 } });
    await expect(client.update(Guest, { ...old, spec: { cores: 3 } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    const { resourceVersion } = old.metadata;
    const patch = { metadata: { resourceVersion }, status: { phase: 'Running' } };
    await expect(client.mergePatch(Guest, web, patch, { subresource: 'status' })).rejects.toMatchObject({
      code: 409,
    });
  });

  it('stays until its last finalizer is gone, and takes no new one meanwhile', async () => {
    const { client } = server();
    await client.create(Guest, guest('web', { metadata: { finalizers: ['vireo.dev/host', 'other'] } }));
    await client.delete(Guest, web);
    expect((await client.get(Guest, web)).metadata.deletionTimestamp).toBe('2026-01-01T00:00:00Z');
    const more = { metadata: { finalizers: ['vireo.dev/host', 'late'] } };
    await expect(client.mergePatch(Guest, web, more)).rejects.toMatchObject({ code: 422 });
    await client.mergePatch(Guest, web, { metadata: { finalizers: ['other'] } });
    expect(await client.find(Guest, web)).toBeDefined();
    await client.mergePatch(Guest, web, { metadata: { finalizers: null } });
    expect(await client.find(Guest, web)).toBeUndefined();
    await expect(client.get(Guest, web)).rejects.toBeInstanceOf(ApiError);
  });

  it('is deleted only as the one that was meant', async () => {
    const { client } = server();
    const { uid } = (await client.create(Guest, guest('web'))).metadata;
    await expect(client.delete(Guest, web, { uid: 'another' })).rejects.toMatchObject({ code: 409 });
    await client.delete(Guest, web, { uid });
    const again = await client.create(Guest, guest('web'));
    expect(again.metadata.uid).not.toBe(uid);
  });

  it('changes nothing on a dry run', async () => {
    const { client } = server();
    await client.create(Guest, guest('web'), { dryRun: true });
    expect(await client.find(Guest, web)).toBeUndefined();
    await client.apply(Guest, guest('web'));
    await client.apply(Guest, guest('web', { spec: { cores: 8 } }), { dryRun: true });
    expect((await client.get(Guest, web)).spec.cores).toBe(1);
  });

  it('cannot be changed by holding what was read', async () => {
    const { client } = server();
    const made = await client.create(Guest, guest('web'));
    expect(() => {
      made.spec.cores = 64;
    }).toThrow(TypeError);
    expect((await client.get(Guest, web)).spec.cores).toBe(1);
  });
});

describe('lists', () => {
  it('come in pages of one version, in the order of names', async () => {
    const { client } = server();
    for (const name of ['c', 'a', 'b']) await client.create(Guest, guest(name));
    const first = await client.list(Guest, { limit: 2 });
    await client.delete(Guest, { namespace: 'lab', name: 'a' });
    const second = await client.list(Guest, { limit: 2, continue: first.continue ?? '' });
    expect(first.items.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
    expect(second.items.map(({ metadata }) => metadata.name)).toEqual(['c']);
    expect(second.continue).toBeUndefined();
    expect(second.resourceVersion).toBe(first.resourceVersion);
  });

  it('select by namespace, labels and fields', async () => {
    const { client } = server();
    client.seed(Guest, guest('a', { metadata: { labels: { tier: 'front' } }, status: { host: 'h1' } }));
    client.seed(
      Guest,
      guest('b', { metadata: { labels: { tier: 'back', old: '' } }, status: { host: 'h2' } }),
    );
    client.seed(Guest, guest('c', { metadata: { namespace: 'prod' } }));
    const names = async (options: object) =>
      (await client.list(Guest, options)).items.map(({ metadata }) => metadata.name);
    expect(await names({ namespace: 'prod' })).toEqual(['c']);
    expect(await names({ labelSelector: 'tier in (front, back),!old' })).toEqual(['a']);
    expect(await names({ labelSelector: 'tier,tier!=front' })).toEqual(['b']);
    expect(await names({ labelSelector: 'tier notin (front)' })).toEqual(['b', 'c']);
    expect(await names({ fieldSelector: 'status.host=h1' })).toEqual(['a']);
    expect(await names({ fieldSelector: 'status.host=,metadata.namespace!=lab' })).toEqual(['c']);
    await expect(names({ labelSelector: 'tier in front' })).rejects.toMatchObject({ code: 400 });
  });
});

describe('watches', () => {
  it('replay what happened since the list, then follow', async () => {
    const { client } = server();
    await client.create(Guest, guest('web'));
    const { resourceVersion } = await client.list(Guest);
    await client.mergePatch(Guest, web, { spec: { cores: 2 } });
    const heard = listen(client, resourceVersion);
    await settle();
    await client.delete(Guest, web);
    client.bookmark();
    await settle();
    expect(heard.names()).toEqual(['MODIFIED web', 'DELETED web', 'BOOKMARK']);
    heard.stop();
    await heard.ended;
  });

  it('call leaving a selection DELETED and entering it ADDED', async () => {
    const { client } = server();
    client.seed(Guest, guest('web', { status: { host: 'h1' } }));
    const heard = listen(client, '0', { fieldSelector: 'status.host=h1' });
    await settle();
    await client.mergePatch(Guest, web, { status: { host: 'h2' } }, { subresource: 'status' });
    await client.mergePatch(Guest, web, { spec: { cores: 3 } });
    await client.mergePatch(Guest, web, { status: { host: 'h1' } }, { subresource: 'status' });
    await settle();
    expect(heard.names()).toEqual(['ADDED web', 'DELETED web', 'ADDED web']);
    heard.stop();
  });

  it('end with 410 when their start is forgotten, and quietly when the server disconnects', async () => {
    const { client } = server();
    const { resourceVersion } = await client.list(Guest);
    const heard = listen(client, resourceVersion);
    await client.create(Guest, guest('web'));
    await settle();
    client.disconnect();
    await heard.ended;
    client.compact();
    await expect(listen(client, resourceVersion).ended).rejects.toMatchObject({ code: 410 });
  });
});

describe('two clients of one server', () => {
  it('meet in its objects, each with its own faults', async () => {
    const { clock, client } = server();
    const broken = createMemoryClient({
      clock,
      server: client,
      intercept: ({ verb }) => {
        if (verb === 'patch') throw new ApiError(503, 'ServiceUnavailable', 'not now');
      },
    });
    await broken.create(Guest, guest('web'));
    await expect(broken.mergePatch(Guest, web, {})).rejects.toMatchObject({ code: 503 });
    expect((await client.get(Guest, web)).metadata.name).toBe('web');
    expect(client.writes().map(({ verb, key }) => `${verb} ${key}`)).toEqual([
      'create lab/web',
      'patch lab/web',
    ]);
  });
});
