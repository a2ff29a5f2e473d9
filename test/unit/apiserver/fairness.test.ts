import { Agent, request } from 'node:https';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { type Client, createClient } from '../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../contract/apiserver/embedded.ts';
import { heldBytes } from '../../soak/heap.ts';
import { builtinServed } from './served.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const served = builtinServed('configmaps');

let server: Embedded;
let store: Store;
let client: Client;

beforeAll(async () => {
  store = createMemoryStore();
  server = await startEmbedded({ store });
  client = createClient(server.target);
  const writes = Array.from({ length: 3_000 }, (_, index) => put(`m${index}`, 'x'.repeat(1_000)));
  await store.commit(writes);
}, 60_000);
afterAll(async () => {
  client.close();
  await server.stop();
});

function put(name: string, text: string) {
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { text },
  };
  return { key: `${served.prefix}default/${name}`, put: encode(served, object) };
}

/** A list as a table, which is the most work of all, read and forgotten. */
function list(agent: Agent): Promise<void> {
  const headers = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(maps, server.target.url), { agent, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve());
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}

describe('a storm of lists', () => {
  it('does not keep the leases of another user from being renewed', { timeout: 60_000 }, async () => {
    const { ca, cert = '', key = '' } = server.target;
    const agent = new Agent({ keepAlive: true, ca, cert, key });
    const asAgent = { headers: { 'impersonate-user': 'agent', 'impersonate-group': 'system:masters' } };
    const renew = (time: number) => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'a' },
      spec: { holderIdentity: 'a', renewTime: `2026-01-01T00:00:0${time}.000000Z` },
    });
    await client.send('POST', leases, { ...asAgent, body: renew(0) });
    let answered = 0;
    const storm = Array.from({ length: 14 }, () =>
      list(agent).then(() => {
        answered += 1;
      }),
    );
    for (let time = 1; time < 8; time += 1) {
      const options = { ...asAgent, body: renew(time), type: 'application/merge-patch+json' };
      expect((await client.send('PATCH', `${leases}/a`, options)).code).toBe(200);
    }
    expect(answered).toBeLessThan(storm.length / 2);
    await Promise.all(storm);
    agent.destroy();
  });
});

describe('a watcher that takes nothing', () => {
  it('costs no memory for what it misses, and the others are told of everything', async () => {
    const { url, ca, cert = '', key = '' } = server.target;
    const { port, hostname } = new URL(url);
    const deaf = connect({ host: hostname, port: Number(port), ca, cert, key });
    await new Promise((resolve) => deaf.once('secureConnect', resolve));
    const path = `${maps}?watch=true&resourceVersion=${store.revision()}`;
    deaf.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await new Promise((resolve) => deaf.once('data', resolve));
    deaf.pause();
    // Several times what the ring of recent events holds for everybody (16 MiB).
    const changes = 6_000;
    const told = countLines(path, changes);
    const text = 'y'.repeat(10_000);
    const before = await heldBytes();
    for (let count = 0; count < changes; count += 1) {
      await store.commit([put('busy', `${count}${text}`)]);
      if (count % 20 === 0) await new Promise((turn) => setImmediate(turn));
    }
    await told;
    // What a store in memory remembers of the past is not the watcher's.
    await store.compact(store.revision());
    const grown = (await heldBytes()) - before;
    deaf.destroy();
    expect(grown).toBeLessThan((changes * text.length) / 2);
  }, 60_000);
});

/** Resolves once a watcher that listens has been told of so many changes. */
function countLines(path: string, wanted: number): Promise<void> {
  const { url, ca, cert = '', key = '' } = server.target;
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, url), { ca, cert, key, agent: false }, (response) => {
      let lines = 0;
      response.on('data', (chunk: Buffer) => {
        for (const byte of chunk) if (byte === 10) lines += 1;
        if (lines < wanted) return;
        outgoing.destroy();
        resolve();
      });
    });
    outgoing.once('error', reject);
    outgoing.end();
  });
}
