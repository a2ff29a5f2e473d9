/** How an agent speaks with the keeper of its host: lines of JSON over a unix socket that only root can reach. */
import { chmod, rm } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Keeper, KeeperState, Life } from '../../keeper/contract.ts';

export type Order = { id: number } & (
  | { do: 'state' }
  /** `forget`: for good; else the next goes on where this one ends. */
  | { do: 'end'; forget: boolean }
  /** The life is over, and the keeper with it. */
  | { do: 'retire' }
  | { do: 'guard'; key: string; group: string }
  | { do: 'release'; key: string }
);
export type Reply = { id: number; state: KeeperState; version: string; life?: Life; error?: string };

/** Serves until it is closed. `end`: the keeper is no longer wanted. */
export async function serveControl(
  path: string,
  keeper: Keeper,
  { version, end }: { version: string; end(): void },
): Promise<Server> {
  const obey = async (order: Order): Promise<Life | undefined> => {
    if (order.do === 'guard') return keeper.guard(order.key, order.group);
    if (order.do === 'release') await keeper.release(order.key);
    if (order.do === 'retire') return keeper.retire();
    if (order.do === 'end') {
      if (order.forget) await keeper.forget();
      end();
    }
    return undefined;
  };
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    eachMessage<Order>(socket, (order) => {
      const reply = (more: Partial<Reply>, then = () => {}) =>
        socket.write(`${JSON.stringify({ id: order.id, state: keeper.state(), version, ...more })}\n`, then);
      obey(order).then(
        // Whoever asked may be gone: a keeper that has retired ends all the same, once it has said so.
        (life) => reply(life === undefined ? {} : { life }, order.do === 'retire' ? end : undefined),
        (error: unknown) => reply({ error: error instanceof Error ? error.message : String(error) }),
      );
    });
  });
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

/**
 * Readline makes what goes wrong with its stream an error of its own, which would end this process: a keeper goes on when its agent is killed, and an
 * agent when its keeper is. Of who is killed while it speaks the last word is half a one.
 */
function eachMessage<T>(socket: Socket, hear: (message: T) => void): void {
  const lines = createInterface(socket);
  lines.on('error', () => socket.destroy());
  lines.on('line', (line) => {
    const message = parsed<T>(line);
    if (message === undefined) socket.destroy();
    else hear(message);
  });
}

function parsed<T>(line: string): T | undefined {
  try {
    return JSON.parse(line) as T;
  } catch {
    return undefined;
  }
}

export type Control = { ask(order: OrderBody, timeoutMs: number): Promise<Reply>; close(): void };
type OrderBody = Order extends infer One ? (One extends Order ? Omit<One, 'id'> : never) : never;

/** A connection to the keeper; rejects when none listens. */
export async function connectControl(path: string): Promise<Control> {
  const socket: Socket = createConnection({ path });
  const pending = new Map<number, { resolve(reply: Reply): void; reject(error: Error): void }>();
  let last = 0;
  const lose = () => {
    for (const { reject } of pending.values()) reject(new Error('the keeper has gone'));
    pending.clear();
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', lose);
  socket.on('close', lose);
  eachMessage<Reply>(socket, (reply) => {
    pending.get(reply.id)?.resolve(reply);
    pending.delete(reply.id);
  });
  return {
    ask: (order, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new Error('the keeper has gone'));
        last += 1;
        const id = last;
        const timer = setTimeout(() => {
          pending.delete(id);
          reject(new Error('the keeper does not answer'));
        }, timeoutMs);
        const settle =
          <T>(act: (value: T) => void) =>
          (value: T) => {
            clearTimeout(timer);
            act(value);
          };
        pending.set(id, { resolve: settle(resolve), reject: settle(reject) });
        socket.write(`${JSON.stringify({ id, ...order })}\n`);
      }),
    close: () => socket.destroy(),
  };
}
