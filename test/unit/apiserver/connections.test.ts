import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Listener,
  type ListenerLimits,
  type ListenerOptions,
  listen,
} from '../../../src/apiserver/wire/listener.ts';
import { silentLog } from '../../../src/base/log.ts';
import { makeKeyPair } from '../../../src/base/pki/certificates.ts';
import { realClock } from '../../../src/main/world/clock.ts';

const clock = realClock();
const generous = { connections: 100, handshakeMs: 10_000, headersMs: 10_000, requestMs: 10_000, lookMs: 20 };
const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A listener that answers everything with 200, unless told otherwise. */
async function start(
  limits: Partial<ListenerLimits>,
  onRequest: ListenerOptions['onRequest'] = (exchange) => exchange.send(200, 'text/plain', 'here'),
): Promise<Listener> {
  const purpose = { type: 'authority', commonName: 'test' } as const;
  const { certificate, key } = await makeKeyPair(purpose, { days: 1, clock });
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    keys: { certificate, key, clientCa: certificate },
    clock,
    log: silentLog,
    onRequest,
    limits: { ...generous, ...limits },
  });
  closers.push(() => listener.close());
  return listener;
}

/** A connection that speaks HTTP/1.1; `end` resolves with all that it was told once it is over. */
function open({ port }: Listener): Promise<{ socket: TLSSocket; end: Promise<string> }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    closers.push(() => void socket.destroy());
    const end = ended(socket);
    socket.once('secureConnect', () => resolve({ socket, end }));
    socket.once('close', () => reject(new Error('refused')));
  });
}

function ended(socket: NodeJS.ReadWriteStream): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    socket.on('error', () => {});
    socket.once('close', () => resolve(text));
  });
}

const wholeRequest = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';

describe('a connection', () => {
  it('whose head trickles in is told so and ended, while others are served', async () => {
    const listener = await start({ headersMs: 200 });
    const slow = await open(listener);
    slow.socket.write('GET / HTTP/1.1\r\nhost: x\r\n');
    const trickle = setInterval(() => slow.socket.write('x: y\r\n'), 40);
    closers.push(() => clearInterval(trickle));
    const quick = await open(listener);
    quick.socket.write(wholeRequest);
    expect(await quick.end).toContain('here');
    expect(await slow.end).toContain('408');
  });

  it('whose body trickles in is ended when its time is up', async () => {
    const listener = await start({ headersMs: 200, requestMs: 300 });
    const slow = await open(listener);
    slow.socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
    const trickle = setInterval(() => slow.socket.write('x'), 40);
    closers.push(() => clearInterval(trickle));
    await slow.end;
  });

  it('that never finishes its handshake is ended', async () => {
    const listener = await start({ handshakeMs: 200 });
    const silent = connectTcp(listener.port, '127.0.0.1');
    closers.push(() => void silent.destroy());
    await ended(silent);
  });

  it('beyond the limit is refused, the others go on, and there is room again once one has left', async () => {
    const listener = await start({ connections: 2 });
    const first = await open(listener);
    const second = await open(listener);
    await expect(open(listener)).rejects.toThrow();
    first.socket.write(wholeRequest);
    expect(await first.end).toContain('here');
    const third = await open(listener);
    for (const { socket, end } of [second, third]) {
      socket.write(wholeRequest);
      expect(await end).toContain('here');
    }
  });
});

describe('an answer over HTTP/2', () => {
  it.each([
    { what: 'goes on', ends: false },
    { what: 'has been written to its end', ends: true },
  ])(
    'that $what is over when its client leaves without an error before it has taken all',
    async ({ ends }) => {
      let over = () => {};
      const isOver = new Promise<void>((resolve) => {
        over = resolve;
      });
      const { port } = await start({}, (exchange) => {
        const sink = exchange.open(200, 'application/json');
        sink.closedThen(over);
        sink.write(Buffer.alloc(100_000));
        if (ends) sink.end();
      });
      const url = `https://127.0.0.1:${port}`;
      const session = connectHttp2(url, {
        rejectUnauthorized: false,
        settings: { initialWindowSize: 1_000 },
      });
      closers.push(() => session.destroy());
      const stream = session.request({ ':path': '/' });
      await new Promise<void>((resolve) => stream.once('response', () => resolve()));
      stream.close();
      await isOver;
    },
  );
});
