import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { createClient } from '../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../contract/apiserver/embedded.ts';
import { builtinServed } from './served.ts';

/** What is promised: nobody waits longer for the thread. */
const promisedMs = 5;
/** How long one turn of long work is. */
const turnMs = 2;
const objects = 3_000;
const rounds = 8;
const maps = '/api/v1/namespaces/default/configmaps';
const served = builtinServed('configmaps');

let server: Embedded;
let store: Store;
let agent: Agent;
let first = 0;

beforeAll(async () => {
  store = createMemoryStore();
  server = await startEmbedded({ store });
  const { ca, cert = '', key = '' } = server.target;
  agent = new Agent({ keepAlive: true, ca, cert, key });
  first = store.revision();
  for (let index = 0; index < objects; index += 1) {
    await store.commit([{ key: `${served.prefix}default/m${index}`, put: configMap(index) }]);
  }
}, 60_000);
afterAll(async () => {
  agent.destroy();
  await server.stop();
});

/** More than 1 KB with a structure to parse. */
function configMap(index: number): Buffer {
  const data = Object.fromEntries(
    Array.from({ length: 25 }, (_, at) => [`key-${at}`, `value ${'v'.repeat(30)}`]),
  );
  const metadata = {
    name: `m${index}`,
    namespace: 'default',
    uid: `u${index}`,
    labels: { app: `a${index % 8}` },
  };
  return encode(served, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
}

/** Reads an answer and forgets it, piece by piece, so that the client in this process does not hold up the server. */
function read(path: string, accept = 'application/json'): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, server.target.url), { agent, headers: { accept } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(path))));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/**
 * Expects that nothing else would have waited longer than promised during `work`. A busy machine makes everything longer, so a turn of just
 * the right length is measured beside it; and of several rounds one has to pass: what is a part of the work is there in each of them.
 */
async function expectShortTurns(
  work: (round: number) => Promise<unknown>,
  prepare: () => Promise<unknown> = async () => {},
): Promise<void> {
  const seen: string[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await prepare();
    const usual = await longestTurnMs(rightTurns);
    const longest = await longestTurnMs(() => work(round));
    if (longest <= usual + promisedMs - turnMs) return;
    seen.push(`${longest.toFixed(1)} (a turn of ${turnMs} took ${usual.toFixed(1)})`);
  }
  expect.fail(`the longest turns took ${seen.join(', ')} ms`);
}

/** Work in turns of the right length. */
async function rightTurns(): Promise<void> {
  const text = configMap(0).toString('utf8');
  for (let turn = 0; turn < 100; turn += 1) {
    for (const end = performance.now() + turnMs; performance.now() < end; ) JSON.stringify(JSON.parse(text));
    await new Promise((next) => setImmediate(next));
  }
}

/** The longest time between two looks at the network during `work`, in CPU time, which does not count what other processes take. */
async function longestTurnMs(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let running = true;
  await new Promise((turn) => setImmediate(turn));
  let last = cpuMs();
  const look = (): void => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(look);
  };
  look();
  await work();
  await new Promise((turn) => setImmediate(turn));
  running = false;
  return longest;
}

/** CPU time of this thread alone (Linux, Documentation/scheduler/sched-stats.rst): others collect garbage and compile meanwhile. */
function cpuMs(): number {
  const [nanoseconds = ''] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

describe('nobody waits longer than five milliseconds for', () => {
  it.each([
    ['a whole list', maps, undefined],
    ['a list in one page', `${maps}?limit=${objects}`, undefined],
    ['a list as a table', maps, 'application/json;as=Table;v=v1;g=meta.k8s.io'],
    ['a list of metadata', maps, 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io'],
    ['a list in YAML', `${maps}?limit=500`, 'application/yaml'],
    ['a list by a label that needs a look into each', `${maps}?labelSelector=app!%3Da1`, undefined],
    ['the first events of a watch', `${maps}?watch=true&timeoutSeconds=1`, undefined],
  ])('%s', async (_, path, accept) => {
    await expectShortTurns(() => read(path, accept));
  });

  it('a watch that has missed thousands of changes and looks into each', async () => {
    const path = `${maps}?watch=true&timeoutSeconds=1&resourceVersion=${first}&labelSelector=app%3Dnone`;
    await expectShortTurns(() => read(path));
  });

  it('the deletion of hundreds', { timeout: 60_000 }, async () => {
    const client = createClient(server.target);
    const path = (round: number) => `${maps}?labelSelector=app%3Da${round}`;
    await expectShortTurns((round) => client.send('DELETE', path(round)));
    client.close();
  });

  it('the forgetting of history', async () => {
    const write = async () => {
      const key = `${served.prefix}default/busy`;
      for (let count = 0; count < 12_000; count += 1) await store.commit([{ key, put: Buffer.from('{}') }]);
      // Watchers are told after this.
      await new Promise((turn) => setImmediate(turn));
    };
    const forget = () => store.compact(store.revision());
    await expectShortTurns(forget, write);
  });
});
