import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from '../../../src/client/client.ts';
import type { Client, WatchEvent } from '../../../src/client/contract.ts';
import { realClock } from '../../../src/main/world/clock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { Guest, guest } from './guests.ts';
import type { TestServer } from './server.ts';
import { answer, bodyOf, createMiddle, serve } from './server.ts';

const web = { namespace: 'lab', name: 'web' };
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server with this handler and a client of it; both are closed after the test. */
async function lab(
  handler: Parameters<typeof serve>[0],
  options: { http1?: boolean; timeoutMs?: number; pingMs?: number; inactivityMs?: number } = {},
): Promise<{ server: TestServer; client: Client }> {
  const { http1 = false, ...clientOptions } = options;
  const server = await serve(handler, { http1 });
  closers.push(server.close);
  const world = { clock: realClock(), random: seededRandom() };
  const client = createClient({
    kubeconfig: server.kubeconfig,
    fieldManager: 'agent',
    world,
    ...clientOptions,
  });
  closers.push(client.close);
  return { server, client };
}

const stored = { ...guest('web'), metadata: { ...web, uid: 'u1', resourceVersion: '7' } };

describe('a request', () => {
  it('says what, who and under which name it writes', async () => {
    const seen: object[] = [];
    const { client } = await lab(async (request, response) => {
      const { method, url, headers } = request;
      seen.push({
        method,
        url,
        type: headers['content-type'],
        who: headers.authorization,
        body: await bodyOf(request),
      });
      answer(response, 200, stored);
    });
    await client.get(Guest, web);
    await client.create(Guest, guest('web'), { dryRun: true });
    await client.mergePatch(Guest, web, { status: {} }, { subresource: 'status' });
    await client.apply(Guest, guest('web'), { force: true });
    await client.delete(Guest, web, { uid: 'u1' });
    const path = '/apis/vireo.dev/v1alpha1/namespaces/lab/guests';
    expect(seen).toMatchObject([
      { method: 'GET', url: `${path}/web`, who: 'Bearer secret', body: '' },
      { method: 'POST', url: `${path}?fieldManager=agent&dryRun=All`, type: 'application/json' },
      { method: 'PATCH', url: `${path}/web/status?fieldManager=agent`, type: 'application/merge-patch+json' },
      {
        method: 'PATCH',
        url: `${path}/web?fieldManager=agent&force=true`,
        type: 'application/apply-patch+yaml',
      },
      { method: 'DELETE', url: `${path}/web`, body: expect.stringContaining('"preconditions":{"uid":"u1"}') },
    ]);
  });

  it('never leaves out the name, which would mean all objects', async () => {
    const { client, server } = await lab((_, response) => answer(response, 200, {}));
    await expect(client.delete(Guest, { namespace: 'lab', name: '' })).rejects.toMatchObject({ code: 400 });
    await expect(client.delete(Guest, { name: 'web' })).rejects.toMatchObject({ code: 400 });
    expect(server.sessions).toHaveLength(0);
  });

  it('is refused with the server’s reason, causes and wish to be left alone', async () => {
    const details = { causes: [{ field: 'spec.cores', message: 'must be positive' }], retryAfterSeconds: 3 };
    const status = { kind: 'Status', code: 422, reason: 'Invalid', message: 'no', details };
    const { client } = await lab((_, response) => answer(response, 422, status));
    await expect(client.create(Guest, guest('web'))).rejects.toMatchObject({
      code: 422,
      reason: 'Invalid',
      message: 'no',
      causes: details.causes,
      retryAfterMs: 3_000,
    });
  });

  it('finds nothing without an error, and understands proxies that do not speak JSON', async () => {
    const { client } = await lab((request, response) => {
      if (request.url.endsWith('/web'))
        answer(response, 404, { kind: 'Status', code: 404, reason: 'NotFound' });
      else response.writeHead(503, { 'retry-after': '1' }).end('<html>busy');
    });
    expect(await client.find(Guest, web)).toBeUndefined();
    await expect(client.list(Guest)).rejects.toMatchObject({ code: 503, retryAfterMs: 1_000 });
  });

  it('gives the items of a list the kind that built-in lists leave out', async () => {
    const { client } = await lab((_, response) => {
      const items = [{ metadata: stored.metadata, spec: { cores: 1 } }];
      answer(response, 200, { items, metadata: { resourceVersion: '9', continue: 'more' } });
    });
    const list = await client.list(Guest, { limit: 1 });
    expect(list).toMatchObject({ resourceVersion: '9', continue: 'more' });
    expect(list.items[0]).toMatchObject({ kind: 'Guest', apiVersion: 'vireo.dev/v1alpha1' });
  });

  it('shares one connection with all others', async () => {
    const { client, server } = await lab((_, response) => answer(response, 200, stored));
    await Promise.all(Array.from({ length: 50 }, () => client.get(Guest, web)));
    expect(server.sessions).toHaveLength(1);
  });

  it('carries big lists through widened windows', async () => {
    const items = Array.from({ length: 2_000 }, (_, index) => ({
      metadata: { name: `g${index}` },
      note: 'x'.repeat(2_000),
    }));
    const { client } = await lab((_, response) => answer(response, 200, { items, metadata: {} }));
    expect((await client.list(Guest)).items).toHaveLength(2_000);
  });

  it('falls back to HTTP/1.1 where the server knows no other', async () => {
    const { client } = await lab((_, response) => answer(response, 200, stored), { http1: true });
    expect((await client.get(Guest, web)).metadata.uid).toBe('u1');
  });

  it('works on a new connection after the server went away', async () => {
    const { client, server } = await lab((_, response) => answer(response, 200, stored));
    await client.get(Guest, web);
    for (const socket of server.sockets) socket.destroy();
    await expect.poll(() => client.get(Guest, web).catch(() => undefined)).toBeDefined();
    expect(server.sessions).toHaveLength(2);
  });

  it('is not made on a connection that the server wants to close', async () => {
    const { client, server } = await lab((_, response) => answer(response, 200, stored));
    await client.get(Guest, web);
    const gone = new Promise((resolve) => server.sessions[0]?.once('close', resolve));
    server.sessions[0]?.close();
    await gone;
    await client.get(Guest, web);
    expect(server.sessions).toHaveLength(2);
  });

  it('has a deadline, and can be aborted', async () => {
    const { client } = await lab(() => {}, { timeoutMs: 50 });
    await expect(client.get(Guest, web)).rejects.toMatchObject({ code: 0, reason: 'Timeout' });
    const stop = new AbortController();
    const asking = client.get(Guest, web, { signal: stop.signal, timeoutMs: 60_000 });
    stop.abort();
    await expect(asking).rejects.toMatchObject({ code: 0, reason: 'Aborted' });
  });

  it('does not trust a server with another certificate', async () => {
    const other = await serve((_, response) => answer(response, 200, stored));
    closers.push(other.close);
    const { server } = await lab(() => {});
    const kubeconfig = { ...other.kubeconfig, authority: server.kubeconfig.authority ?? '' };
    const world = { clock: realClock(), random: seededRandom() };
    const client = createClient({ kubeconfig, fieldManager: 'agent', world });
    await expect(client.get(Guest, web)).rejects.toMatchObject({ code: 0, reason: 'Unreachable' });
    await client.close();
  });

  it('gives up a connection whose peer is silent', async () => {
    const { server } = await lab((_, response) => answer(response, 200, stored));
    const middle = await createMiddle(server.kubeconfig.server);
    closers.push(middle.close);
    const kubeconfig = { ...server.kubeconfig, server: middle.url };
    const world = { clock: realClock(), random: seededRandom() };
    const client = createClient({ kubeconfig, fieldManager: 'agent', world, pingMs: 100 });
    closers.push(client.close);
    await client.get(Guest, web);
    middle.freeze();
    const asking = client.get(Guest, web, { timeoutMs: 10_000 });
    await expect(asking).rejects.toMatchObject({
      reason: 'Unreachable',
      message: expect.stringContaining('ping'),
    });
    middle.thaw();
    expect((await client.get(Guest, web)).metadata.uid).toBe('u1');
    expect(server.sessions).toHaveLength(2);
  });
});

describe('a watch', () => {
  /** Says that the watch has begun, and nothing more. */
  const silent: Parameters<typeof serve>[0] = (_, response) => {
    response.writeHead(200);
    response.write('\n');
  };

  async function collect(client: Client, more = {}): Promise<WatchEvent<Guest>[]> {
    const events: WatchEvent<Guest>[] = [];
    for await (const event of client.watch(Guest, { resourceVersion: '7', ...more })) events.push(event);
    return events;
  }

  it('asks for bookmarks and a random end, and reads events cut anywhere', async () => {
    const urls: string[] = [];
    const { client } = await lab((request, response) => {
      urls.push(request.url);
      const lines = [
        { type: 'ADDED', object: { ...stored, metadata: { ...stored.metadata, name: 'wëb' } } },
        { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
      ];
      const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      response.writeHead(200);
      for (let at = 0; at < bytes.length; at += 3) response.write(bytes.subarray(at, at + 3));
      response.end();
    });
    const events = await collect(client, { bookmarks: true, namespace: 'lab', labelSelector: 'a=b' });
    expect(events).toMatchObject([
      { type: 'ADDED', object: { metadata: { name: 'wëb' } } },
      { type: 'BOOKMARK', resourceVersion: '9' },
    ]);
    const query = new URL(urls[0] ?? '', 'https://x').searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      watch: 'true',
      allowWatchBookmarks: 'true',
      labelSelector: 'a=b',
    });
    expect(Number(query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(290);
    expect(Number(query.get('timeoutSeconds'))).toBeLessThan(590);
  });

  it.each([false, true])(
    'throws 410 whether it comes as an answer or as an event (HTTP/1.1: %s)',
    async (http1) => {
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
      let late = false;
      const { client } = await lab(
        (_, response) => {
          if (late) response.writeHead(200).end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
          else answer(response, 410, status);
        },
        { http1 },
      );
      await expect(collect(client)).rejects.toMatchObject({ code: 410, reason: 'Expired' });
      late = true;
      await expect(collect(client)).rejects.toMatchObject({ code: 410, reason: 'Expired' });
    },
  );

  it.each([false, true])('does not hang on a silent server (HTTP/1.1: %s)', async (http1) => {
    const { client } = await lab(silent, {
      http1,
      inactivityMs: 50,
    });
    await expect(collect(client)).rejects.toMatchObject({ code: 0, reason: 'Inactive' });
  });

  it.each([false, true])('ends quietly when its reader wants no more (HTTP/1.1: %s)', async (http1) => {
    const { client } = await lab(silent, { http1 });
    const stop = new AbortController();
    const watching = collect(client, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    expect(await watching).toEqual([]);
  });

  it('fails when the connection breaks', async () => {
    const { client, server } = await lab((_, response) => {
      response.writeHead(200).write(`${JSON.stringify({ type: 'ADDED', object: stored })}\n`);
    });
    const iterator = client.watch(Guest, { resourceVersion: '7' })[Symbol.asyncIterator]();
    await iterator.next();
    server.sockets[0]?.destroy();
    const end = await iterator.next().catch((error: unknown) => error);
    expect(end).toMatchObject({ code: 0, reason: 'Unreachable' });
  });
});
