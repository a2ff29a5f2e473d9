import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import type { ObjectMeta } from '../../../src/apiserver/object.ts';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../contract/apiserver/embedded.ts';
import { widget, widgetDefinition } from '../../contract/apiserver/widgets.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { builtinServed } from './served.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(
  options: Parameters<typeof startEmbedded>[0] = {},
): Promise<{ server: Embedded; client: Client }> {
  const server = await startEmbedded(options);
  closers.push(server.stop);
  return { server, client: clientOf(server) };
}

function clientOf(server: Embedded, changes: { cert?: string; key?: string } | 'anonymous' = {}): Client {
  const { url, ca } = server.target;
  const client = createClient(changes === 'anonymous' ? { url, ca } : { ...server.target, ...changes });
  closers.push(() => client.close());
  return client;
}

const maps = '/api/v1/namespaces/default/configmaps';
const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

/** An open watch over HTTP/2 whose events are collected. */
function openWatch(server: Embedded, path: string) {
  const { ca, cert, key, url } = server.target;
  const session: ClientHttp2Session = connect(url, { ca, ...(cert && key ? { cert, key } : {}) });
  closers.push(() => session.destroy());
  const events: {
    type: string;
    object: { metadata?: { name?: string; resourceVersion?: string }; code?: number };
  }[] = [];
  const stream = session.request({ ':path': path });
  let rest = '';
  const state = { ended: false };
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) events.push(JSON.parse(line));
  });
  stream.on('end', () => {
    state.ended = true;
  });
  return { events, state, session };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('who may ask', () => {
  it('without a certificate only whether the server lives and what it is', async () => {
    const { server } = await start();
    const stranger = clientOf(server, 'anonymous');
    for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
      expect((await stranger.send('GET', path)).code).toBe(200);
    }
    for (const path of ['/api', '/api/v1/secrets', '/openapi/v3']) {
      expect(await stranger.send('GET', path)).toMatchObject({ code: 401, body: { reason: 'Unauthorized' } });
    }
  });

  it('nobody with a certificate of another authority, or with a token nobody knows', async () => {
    const { server } = await start();
    const other = await start();
    const { cert, key } = other.server.target;
    const impostor = clientOf(server, { ...(cert && key ? { cert, key } : {}) });
    expect((await impostor.send('GET', '/api/v1/secrets')).code).toBe(401);
    const holder = clientOf(server, 'anonymous');
    const answer = await holder.send('GET', '/version', { headers: { authorization: 'Bearer nonsense' } });
    expect(answer.code).toBe(401);
  });
});

describe('metrics of the server', () => {
  it('count requests as kube-apiserver does, for who may read them, and not what clients make up', async () => {
    const { server, client } = await start();
    await client.send('GET', maps);
    await client.send('GET', maps);
    await client.send('POST', maps, { body: map('a') });
    await client.send('GET', `${maps}/missing`);
    await client.send('GET', '/apis/made.up/v1/things');
    await client.send('GET', `${maps}/a/made-up`);
    await client.send('OPTIONS', maps);
    expect((await clientOf(server, 'anonymous').send('GET', '/metrics')).code).toBe(401);
    const { text } = await client.send('GET', '/metrics');
    const of = 'group="",version="v1",resource="configmaps",subresource=""';
    const all = 'component="apiserver"';
    const lines = text.split('\n').filter((line) => line.startsWith('apiserver_request_total'));
    expect(lines).toEqual([
      `apiserver_request_total{verb="LIST",${of},scope="namespace",${all},code="200"} 2`,
      `apiserver_request_total{verb="POST",${of},scope="namespace",${all},code="201"} 1`,
      `apiserver_request_total{verb="GET",${of},scope="resource",${all},code="404"} 1`,
      `apiserver_request_total{verb="LIST",group="",version="",resource="",subresource="",scope="",${all},code="404"} 1`,
      `apiserver_request_total{verb="GET",group="",version="",resource="",subresource="",scope="",${all},code="404"} 1`,
      `apiserver_request_total{verb="other",${of},scope="namespace",${all},code="405"} 1`,
      `apiserver_request_total{verb="GET",group="",version="",resource="",subresource="",scope="",${all},code="401"} 1`,
    ]);
    expect(text).toContain(
      `apiserver_request_duration_seconds_count{verb="LIST",${of},scope="namespace",${all}} 2`,
    );
  });
});

describe('a watch', () => {
  it('ends in order, with a last bookmark, when the server stops', async () => {
    const { server, client } = await start();
    const { body } = await client.send('GET', maps);
    const revision = (body as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
    const { events, state } = openWatch(
      server,
      `${maps}?watch=1&resourceVersion=${revision}&allowWatchBookmarks=true`,
    );
    await client.send('POST', maps, { body: map('a') });
    await until(() => events.length === 1);
    await server.stop();
    closers.shift();
    await until(() => state.ended);
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'BOOKMARK']);
  });

  it('goes on from its last revision on a restarted server', async () => {
    const store = createMemoryStore();
    const first = await startEmbedded({ store });
    const before = createClient(first.target);
    const made = await before.send('POST', maps, { body: map('a') });
    const revision = (made.body as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
    await before.send('POST', maps, { body: map('b') });
    before.close();
    await first.stop();

    const { server } = await start({ store });
    const { events } = openWatch(
      server,
      `${maps}?watch=1&resourceVersion=${revision}&fieldSelector=metadata.name%3Db`,
    );
    await until(() => events.length === 1);
    expect(events[0]).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'b' } } });
  });

  it('too far behind is told 410 Expired', async () => {
    const { server, client } = await start();
    for (const name of ['a', 'b', 'c']) await client.send('POST', maps, { body: map(name) });
    await server.store.compact(server.store.revision() - 1);
    const { events, state } = openWatch(server, `${maps}?watch=1&resourceVersion=3`);
    await until(() => state.ended);
    expect(events).toMatchObject([{ type: 'ERROR', object: { code: 410, reason: 'Expired' } }]);
  });

  it('of a resource ends when its definition changes what is served', async () => {
    const { server, client } = await start();
    await client.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      body: widgetDefinition('g.dev'),
    });
    const { events, state } = openWatch(server, '/apis/g.dev/v1/widgets?watch=1');
    await client.send('POST', '/apis/g.dev/v1/namespaces/default/widgets', { body: widget('g.dev', 'a') });
    await until(() => events.length === 1);
    const patch = [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/description', value: 'new' }];
    await client.send('PATCH', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.g.dev', {
      type: 'application/json-patch+json',
      body: patch,
    });
    await until(() => state.ended);
  });

  it('of a resource ends when its definition goes, whatever was written to the definition before', async () => {
    const { server, client } = await start();
    const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.g.dev';
    await client.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      body: widgetDefinition('g.dev'),
    });
    await client.send('POST', '/apis/g.dev/v1/namespaces/default/widgets', { body: widget('g.dev', 'a') });
    const { events, state } = openWatch(server, '/apis/g.dev/v1/widgets?watch=1');
    await until(() => events.length === 1);
    const type = 'application/merge-patch+json';
    await client.send('PATCH', definition, { type, body: { metadata: { labels: { a: 'b' } } } });
    expect(state.ended).toBe(false);
    await client.send('DELETE', definition);
    await until(() => state.ended);
    expect(events.map((event) => event.type)).toEqual(['ADDED', 'DELETED']);
  });

  it('that is quiet gets a bookmark each minute', async () => {
    const clock = createFakeClock();
    const { server, client } = await start({ clock });
    const { events } = openWatch(
      server,
      `${maps}?watch=1&allowWatchBookmarks=true&resourceVersion=${server.store.revision()}`,
    );
    await client.send('POST', maps, { body: map('a') });
    await until(() => events.length === 1);
    await clock.advance(60_000);
    await until(() => events.length === 2);
    expect(events[1]).toMatchObject({
      type: 'BOOKMARK',
      object: { metadata: { resourceVersion: String(server.store.revision()) } },
    });
  });
});

describe('time', () => {
  it('takes history of more than five minutes, and events of more than an hour', async () => {
    const clock = createFakeClock();
    const { server, client } = await start({ clock });
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: { kind: 'X', name: 'x', namespace: 'default' },
      lastTimestamp: '2026-01-01T00:00:00Z',
    };
    await client.send('POST', '/api/v1/namespaces/default/events', { body: event });
    const { body } = await client.send('GET', '/api/v1/configmaps?limit=1');
    expect(body).toMatchObject({ kind: 'ConfigMapList' });
    const early = server.store.revision();
    await client.send('POST', maps, { body: map('a') });
    await clock.advance(7 * 60_000);
    expect(server.store.compactedRevision()).toBeGreaterThanOrEqual(early);
    expect(
      await client.send('GET', `${maps}?resourceVersion=${early - 1}&resourceVersionMatch=Exact`),
    ).toMatchObject({ code: 410, body: { reason: 'Expired' } });
    expect((await client.send('GET', '/api/v1/namespaces/default/events/e')).code).toBe(200);
    await clock.advance(60 * 60_000);
    expect((await client.send('GET', '/api/v1/namespaces/default/events/e')).code).toBe(404);
  });
});

describe('writers of one object', () => {
  it('all get through with patches, none losing another', async () => {
    const { client } = await start();
    await client.send('POST', maps, { body: map('a') });
    const patches = Array.from({ length: 20 }, (_, count) =>
      client.send('PATCH', `${maps}/a`, {
        type: 'application/merge-patch+json',
        body: { data: { [`k${count}`]: 'v' } },
      }),
    );
    expect((await Promise.all(patches)).map(({ code }) => code)).toEqual(Array(20).fill(200));
    const { body } = await client.send('GET', `${maps}/a`);
    expect(Object.keys((body as { data: object }).data)).toHaveLength(20);
  });

  it('with one revision: one wins, the others conflict', async () => {
    const { client } = await start();
    const made = await client.send('POST', maps, { body: map('a') });
    const { resourceVersion } = (made.body as { metadata: { resourceVersion: string } }).metadata;
    const updates = Array.from({ length: 10 }, (_, count) =>
      client.send('PUT', `${maps}/a`, {
        body: { ...map('a'), metadata: { name: 'a', resourceVersion }, data: { k: String(count) } },
      }),
    );
    const codes = (await Promise.all(updates)).map(({ code }) => code).sort();
    expect(codes).toEqual([200, ...Array(9).fill(409)]);
  });
});

describe('a namespace', () => {
  it('leaves nothing behind that was being created while it ended', async () => {
    const { server, client } = await start();
    await client.send('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
    });
    const creations = Array.from({ length: 50 }, (_, count) =>
      client.send('POST', '/api/v1/namespaces/x/configmaps', { body: map(`m${count}`) }),
    );
    await client.send('DELETE', '/api/v1/namespaces/x');
    await Promise.all(creations);
    await until(() => server.store.get('/registry/core/namespaces/x') === undefined);
    expect(server.store.count('/registry/core/configmaps/x/')).toBe(0);
  });

  it('whose end a crash cut short ends on the next start', async () => {
    const store = createMemoryStore();
    const first = await startEmbedded({ store });
    const client = createClient(first.target);
    await client.send('POST', '/api/v1/namespaces', {
      body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } },
    });
    await client.send('POST', '/api/v1/namespaces/x/configmaps', {
      body: { ...map('a'), metadata: { name: 'a', finalizers: ['g.dev/hold'] } },
    });
    await client.send('DELETE', '/api/v1/namespaces/x');
    client.close();
    await first.stop();
    const second = await start({ store });
    await second.client.send('PATCH', '/api/v1/namespaces/x/configmaps/a', {
      type: 'application/merge-patch+json',
      body: { metadata: { finalizers: null } },
    });
    await until(() => store.get('/registry/core/namespaces/x') === undefined);
  });
});

describe('an owner', () => {
  it('that goes while a server that starts looks through what there is takes its dependents along', async () => {
    const store = createMemoryStore();
    const configMaps = builtinServed('configmaps');
    const stored = (name: string, metadata: Partial<ObjectMeta> = {}) => ({
      key: `${configMaps.prefix}default/${name}`,
      put: encode(configMaps, {
        ...map(name),
        metadata: { name, namespace: 'default', uid: name, ...metadata },
      }),
    });
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'owner' }];
    // One is looked through before the owner goes, the other after.
    const dependents = ['a', 'z'].map((name) => stored(name, { ownerReferences }));
    const others = Array.from({ length: 3_000 }, (_, index) => stored(`m${index}`));
    await store.commit([stored('owner'), ...dependents, ...others]);
    await start({ store });
    await store.commit([{ key: `${configMaps.prefix}default/owner`, delete: true }]);
    await until(() => dependents.every(({ key }) => store.get(key) === undefined));
    expect(store.count(`${configMaps.prefix}default/m`)).toBe(others.length);
  });

  it('that cannot be told is never taken for gone', async () => {
    const { server, client } = await start();
    const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
    const owned = (name: string, owner: { apiVersion: string; kind: string }) => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name, ownerReferences: [{ ...owner, name: 'x', uid: 'u' }] },
    });
    await client.send('POST', roles, {
      body: owned('in-some-namespace', { apiVersion: 'v1', kind: 'ConfigMap' }),
    });
    await client.send('POST', roles, {
      body: owned('of-no-known-kind', { apiVersion: 'no.dev/v1', kind: 'Thing' }),
    });
    await client.send('POST', roles, { body: owned('gone', { apiVersion: 'v1', kind: 'Namespace' }) });
    const key = (name: string) => `/registry/rbac.authorization.k8s.io/clusterroles/${name}`;
    await until(() => server.store.get(key('gone')) === undefined);
    expect(server.store.get(key('in-some-namespace'))).toBeDefined();
    expect(server.store.get(key('of-no-known-kind'))).toBeDefined();
  });
});

describe('a definition', () => {
  it('gives its defaults to objects stored before it had them', async () => {
    const { client } = await start();
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await client.send('POST', definitions, { body: widgetDefinition('g.dev') });
    await client.send('POST', '/apis/g.dev/v1/namespaces/default/widgets', { body: widget('g.dev', 'a') });
    const patch = [
      {
        op: 'add',
        path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/shape',
        value: { type: 'string', default: 'round' },
      },
    ];
    await client.send('PATCH', `${definitions}/widgets.g.dev`, {
      type: 'application/json-patch+json',
      body: patch,
    });
    const one = await client.send('GET', '/apis/g.dev/v1/namespaces/default/widgets/a');
    const all = await client.send('GET', '/apis/g.dev/v1/widgets');
    expect(one.body).toMatchObject({ spec: { shape: 'round' } });
    expect(all.body).toMatchObject({ items: [{ spec: { shape: 'round' } }] });
  });

  it('that claims a name in use is not served until the name is free', async () => {
    const { client } = await start();
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await client.send('POST', definitions, { body: widgetDefinition('g.dev') });
    const rival = widgetDefinition('g.dev', {
      names: { plural: 'gadgets', kind: 'Gadget', shortNames: ['wd'] },
    }) as { metadata: { name: string } };
    rival.metadata.name = 'gadgets.g.dev';
    const made = await client.send('POST', definitions, { body: rival });
    expect(made.body).toMatchObject({
      status: {
        conditions: [
          { type: 'NamesAccepted', status: 'False', reason: 'NamesConflict' },
          { type: 'Established', status: 'False' },
        ],
      },
    });
    expect((await client.send('GET', '/apis/g.dev/v1/gadgets')).code).toBe(404);
    await client.send('DELETE', `${definitions}/widgets.g.dev`);
    const deadline = Date.now() + 5000;
    while ((await client.send('GET', '/apis/g.dev/v1/gadgets')).code !== 200) {
      if (Date.now() > deadline) throw new Error('the rival is never served');
    }
  });
});
