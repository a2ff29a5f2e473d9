import { request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { setImmediate as breathe } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createTurns, laneOf, type TurnKind } from '../../../src/apiserver/fairness/turns.ts';
import { applyJsonPatch } from '../../../src/apiserver/patch/json.ts';
import { matchesFields, parseFieldSelector } from '../../../src/apiserver/selection/fields.ts';
import { matchesLabels, parseLabelSelector } from '../../../src/apiserver/selection/labels.ts';
import { mayMatchOf } from '../../../src/apiserver/selection/needles.ts';
import { ApiError } from '../../../src/apiserver/status.ts';
import { decodeJson } from '../../../src/apiserver/wire/decode.ts';
import { createClient } from '../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../contract/apiserver/embedded.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Rounds that a test starts by hand. */
function handMade() {
  let next: (() => void) | undefined;
  return {
    nextRound: (run: () => void) => {
      next = run;
    },
    turnOver: async () => {
      const run = next;
      next = undefined;
      run?.();
      await breathe();
      return run !== undefined;
    },
  };
}

describe('turns', () => {
  const limits = { requests: 2, waiting: 5 };

  /** Turns with their rounds by hand, and who had one so far, in order. */
  function follow() {
    const { nextRound, turnOver } = handMade();
    const turns = createTurns(limits, nextRound);
    const order: string[] = [];
    const take = (what: string, kind: TurnKind, client = 'client') =>
      void turns.take(client, kind).then(() => order.push(what));
    return { take, order, turnOver };
  }

  it('are given at once to short requests while there is little to do, to lists in the next round', async () => {
    const { take, order, turnOver } = follow();
    take('list', 'slice');
    take('get', 'request');
    take('write', 'request');
    await breathe();
    expect(order).toEqual(['get', 'write']);
    await turnOver();
    expect(order).toEqual(['get', 'write', 'list']);
  });

  it('go round between clients, so a storm of one delays another by one round', async () => {
    const { take, order, turnOver } = follow();
    for (let count = 0; count < 7; count++) take('storm', 'request', 'storm');
    take('lease', 'request', 'lease');
    await turnOver();
    expect(order).toEqual(['storm', 'storm', 'storm', 'lease']);
  });

  it('come to a write that waits after one slice at most, however many lists there are and whenever it comes', async () => {
    for (const roundsBefore of [0, 1, 2, 3]) {
      const { take, order, turnOver } = follow();
      for (let count = 0; count < 5; count++) take('slice', 'slice');
      for (let round = 0; round < roundsBefore; round++) {
        take('get', 'request');
        await turnOver();
      }
      // As much as fits before the next round: the write has to wait for one.
      for (let count = 0; count < limits.requests; count++) take('get', 'request');
      await breathe();
      const before = order.length;
      take('write', 'request');
      for (let list = 0; list < 3; list++) take('slice', 'slice', 'another');
      while (!order.includes('write')) await turnOver();
      expect(order.slice(before, order.indexOf('write')).length).toBeLessThanOrEqual(1);
    }
  });

  it('come to lists too, one in two rounds, while short requests come without end', async () => {
    const { take, order, turnOver } = follow();
    for (let count = 0; count < 3; count++) take('slice', 'slice');
    for (let round = 0; round < 6; round++) {
      for (let count = 0; count < 4; count++) take('get', 'request', `client ${count}`);
      await turnOver();
    }
    expect(order.filter((what) => what === 'slice').length).toBe(3);
  });

  it('are refused with 429 to a client of which too much waits, and to no other', async () => {
    const { nextRound, turnOver } = handMade();
    const turns = createTurns(limits, nextRound);
    for (let count = 0; count < 7; count++) void turns.take('storm', 'request');
    await expect(turns.take('storm', 'request')).rejects.toMatchObject({ status: { code: 429 } });
    const other = turns.take('other', 'request');
    await turnOver();
    await other;
  });

  it('end by themselves when nobody waits', async () => {
    const { nextRound, turnOver } = handMade();
    await createTurns(limits, nextRound).take('a', 'request');
    expect([await turnOver(), await turnOver(), await turnOver()]).toEqual([true, false, false]);
  });

  it('of leases are apart from the other requests of a user', () => {
    const leases = { group: 'coordination.k8s.io', resource: 'leases' };
    expect(laneOf('u', leases)).not.toBe(laneOf('u', { group: '', resource: 'configmaps' }));
  });
});

describe('a body', () => {
  it.each(['9007199254740991', '-9007199254740991', '1.25', '12345678901234.5678', '1e300', '-0'])(
    'with the number %s is taken',
    (number) => {
      expect(decodeJson(Buffer.from(`{"a":${number}}`)).value).toEqual({ a: Number(number) });
    },
  );

  it('with large numbers in strings is taken', () => {
    expect(decodeJson(Buffer.from('{"a":"9007199254740993"}')).value).toEqual({ a: '9007199254740993' });
  });

  it('of more values than a sane object has is refused with 413', () => {
    const bytes = Buffer.from(`[${'0,'.repeat(110_000)}0]`);
    expect(() => decodeJson(bytes)).toThrow(ApiError);
    expect(() => decodeJson(bytes)).toThrow(/more than 100000 values/);
  });
});

describe('a JSON patch', () => {
  it('cannot double a value until the memory is gone', () => {
    const ops = Array.from({ length: 40 }, (_, count) => ({ op: 'copy', from: '', path: `/c${count}` }));
    expect(() => applyJsonPatch({ text: 'x'.repeat(1000) }, ops)).toThrow(/accumulated size/);
  });
});

describe('what bytes tell of a selector', () => {
  const word = fc.constantFrom('a', 'b', 'x-1', '5', 'true', 'ü"\\');
  const object = fc.record({
    metadata: fc.record({
      labels: fc.dictionary(fc.constantFrom('a', 'b', 'g.dev/k'), fc.constantFrom('1', 'v', '')),
    }),
    status: fc.record(
      {
        host: fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
        placement: fc.record({ host: word }),
      },
      { requiredKeys: [] },
    ),
  });
  const labels = fc.constantFrom('', 'a=1', 'a!=1', 'b in (1,v)', 'g.dev/k', '!a', 'a notin (v)', 'b>0');
  const fields = fc.tuple(
    fc.constantFrom('status.host', 'status.placement.host'),
    fc.constantFrom('=', '!='),
    fc.oneof(fc.constantFrom('a', 'x-1', '5', 'true', '', 'ü"\\\\'), fc.integer().map(String)),
  );

  it('never hides an object that matches', () => {
    fc.assert(
      fc.property(object, labels, fields, (value, labelText, [field, operator, wanted]) => {
        const labelSelector = parseLabelSelector(labelText);
        const fieldSelector = parseFieldSelector(`${field}${operator}${wanted}`, new Set([field]));
        const kube = { apiVersion: 'v1', kind: 'X', ...value };
        const matches =
          matchesLabels(labelSelector, kube.metadata.labels) && matchesFields(fieldSelector, kube);
        const may = mayMatchOf(labelSelector, fieldSelector)?.(Buffer.from(JSON.stringify(kube))) ?? true;
        return may || !matches;
      }),
      { numRuns: 2000 },
    );
  });

  it('passes over what lies on other hosts', () => {
    const selector = parseFieldSelector('status.placement.host=b', new Set(['status.placement.host']));
    const may = mayMatchOf([], selector);
    const bytes = (host: string) => Buffer.from(JSON.stringify({ status: { placement: { host } } }));
    expect([may?.(bytes('a')), may?.(bytes('b')), may?.(bytes('bb'))]).toEqual([false, true, false]);
  });

  it('is nothing where values are kept in another form', () => {
    const selector = parseFieldSelector('type=x', new Set(['type']));
    expect(mayMatchOf([], selector)?.(Buffer.from([1, 2, 3]))).toBe(true);
  });
});

const maps = '/api/v1/namespaces/default/configmaps';

async function start(): Promise<Embedded> {
  const server = await startEmbedded();
  closers.push(server.stop);
  return server;
}

/** A GET whose answer is kept as bytes. */
function rawGet(server: Embedded, path: string, headers: Record<string, string>) {
  const { url, ca, cert = '', key = '' } = server.target;
  return new Promise<{ encoding: string | undefined; bytes: Buffer }>((resolve, reject) => {
    const outgoing = request(new URL(path, url), { ca, cert, key, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ encoding: response.headers['content-encoding'], bytes: Buffer.concat(chunks) }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('a long answer', () => {
  it.each([
    ['of one object', `${maps}/big`],
    ['of a list in one piece', `${maps}?limit=500`],
    ['of a list in slices', maps],
  ])('%s is compressed for those who take it, and the same for all', async (_, path) => {
    const server = await start();
    const client = createClient(server.target);
    closers.push(() => client.close());
    const body = (name: string, text: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { text },
    });
    await client.send('POST', maps, { body: body('big', 'x'.repeat(400_000)) });
    for (let count = 0; count < 5; count++) {
      await client.send('POST', maps, { body: body(`m${count}`, 'y'.repeat(100_000)) });
    }
    const plain = await rawGet(server, path, {});
    const packed = await rawGet(server, path, { 'accept-encoding': 'br, gzip' });
    const refused = await rawGet(server, path, { 'accept-encoding': 'gzip;q=0' });
    expect([plain.encoding, packed.encoding, refused.encoding]).toEqual([undefined, 'gzip', undefined]);
    expect(gunzipSync(packed.bytes).equals(plain.bytes)).toBe(true);
    expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 10);
  });
});

describe('pages', () => {
  it('show each object once whatever their sizes, and remember how many are left', async () => {
    const server = await start();
    const client = createClient(server.target);
    closers.push(() => client.close());
    for (let count = 0; count < 12; count++) {
      const data = { text: 'z'.repeat(count % 3 === 0 ? 300_000 : 10) };
      const metadata = { name: `m${String(count).padStart(2, '0')}`, labels: { odd: String(count % 2) } };
      await client.send('POST', maps, { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data } });
    }
    const names: string[] = [];
    let token = '';
    do {
      const { body } = await client.send('GET', `${maps}?limit=2&labelSelector=odd%3D1&continue=${token}`);
      const list = body as { items: { metadata: { name: string } }[]; metadata: { continue?: string } };
      names.push(...list.items.map(({ metadata }) => metadata.name));
      token = list.metadata.continue ?? '';
    } while (token !== '');
    expect(names).toEqual(['m01', 'm03', 'm05', 'm07', 'm09', 'm11']);
  });
});

describe('a connection that says nothing', () => {
  it('does not keep others from being served', async () => {
    const server = await start();
    const { hostname, port } = new URL(server.target.url);
    const idle = Array.from({ length: 200 }, () => connectTcp(Number(port), hostname));
    closers.push(() => {
      for (const socket of idle) socket.destroy();
    });
    const client = createClient(server.target);
    closers.push(() => client.close());
    expect((await client.send('GET', '/healthz')).code).toBe(200);
  });
});
