/** Many watchers on few connections, as informers open them. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { createClient, type Target } from '../contract/apiserver/client.ts';
import { startEmbedded } from '../contract/apiserver/embedded.ts';
import { heldBytes } from './heap.ts';

/** Watchers that are on. */
export type Crowd = {
  /** Lines received so far, all watchers together. */
  lines(): number;
  /** Everybody leaves. */
  leave(): Promise<void>;
};

const perConnection = 100;

/** Opens `count` watches of `path`, a hundred on each connection; resolves when the head of each answer is there. */
export async function gather(target: Target, path: string, count: number): Promise<Crowd> {
  const { url, ca, cert = '', key = '' } = target;
  const sessions: ClientHttp2Session[] = [];
  let lines = 0;
  const open = (session: ClientHttp2Session) =>
    new Promise<void>((resolve, reject) => {
      const stream = session.request({ ':path': path });
      stream.on('response', (headers) =>
        headers[':status'] === 200 ? resolve() : reject(new Error(`the watch got ${headers[':status']}`)),
      );
      stream.on('data', (chunk: Buffer) => {
        for (const byte of chunk) if (byte === 10) lines++;
      });
      stream.on('error', reject);
    });
  for (let left = count; left > 0; left -= perConnection) {
    const session = connect(url, { ca, cert, key });
    sessions.push(session);
    session.on('error', () => {});
    await Promise.all(Array.from({ length: Math.min(perConnection, left) }, () => open(session)));
  }
  return {
    lines: () => lines,
    leave: async () => {
      await Promise.all(
        sessions.map(
          (session) =>
            new Promise<void>((resolve) => {
              session.once('close', () => resolve());
              session.destroy();
            }),
        ),
      );
    },
  };
}

/** What a crowd cost: lines received of one change, bytes of each watcher with its client, bytes left once all have gone. */
export type Cost = { told: number; bytesEach: number; bytesLeft: number };

const maps = '/api/v1/namespaces/default/configmaps';
const patienceMs = 60_000;
/** Closed connections give their memory back a little later. */
const leftBytes = 10 * 2 ** 20;

/** Has `count` watchers see one change on a server of their own, and go. */
export async function holdCrowd(count: number): Promise<Cost> {
  const { target, store, stop } = await startEmbedded();
  const client = createClient(target);
  try {
    const path = `${maps}?watch=true&resourceVersion=${store.revision()}`;
    // What is made once, for the first watchers, is not counted.
    await (await gather(target, path, 100)).leave();
    const before = await heldBytes();
    const crowd = await gather(target, path, count);
    const during = await heldBytes();
    await client.send('POST', maps, {
      body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'news' } },
    });
    await until(async () => crowd.lines() >= count);
    const told = crowd.lines();
    await crowd.leave();
    let bytesLeft = 0;
    await until(async () => {
      bytesLeft = (await heldBytes()) - before;
      return bytesLeft < leftBytes;
    });
    return { told, bytesEach: (during - before) / count, bytesLeft };
  } finally {
    client.close();
    await stop();
  }
}

/** Waits; whoever asked sees by the figures what did not come about in time. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds()) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}
