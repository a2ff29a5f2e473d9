/** Unix sockets and calls from this host behind the Sockets port. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { OneCallListener, Sockets } from '../../base/sockets.ts';

/** sun_path holds 108 bytes (unix(7)) and Node.js 20 cuts silently: `.../web2` then reaches `.../web1`. */
const LONGEST_PATH_BYTES = 100;
const DEFAULT_TIMEOUT_MS = 5_000;

function socketError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function tooLong(path: string, bytes: number): Error {
  const limit = `${LONGEST_PATH_BYTES} bytes are the limit`;
  return socketError('ENAMETOOLONG', `socket path of ${bytes} bytes, ${limit}: ${path}`);
}

/** The real sockets. A connection keeps an error listener: who listens to `close` learns of its end, and nothing crashes. */
export function realSockets(clock: Clock): Sockets {
  return {
    listenForOne,
    listenForOneAt,
    connectUnix: (path, options = {}) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.byteLength(path);
        if (bytes > LONGEST_PATH_BYTES) {
          reject(tooLong(path, bytes));
          return;
        }
        const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
        const socket = createConnection({ path });
        const cancel = clock.after(timeoutMs, () => {
          socket.destroy(socketError('ETIMEDOUT', `no connection to ${path} within ${timeoutMs} ms`));
        });
        socket.on('error', (error) => {
          cancel();
          reject(error);
        });
        socket.once('connect', () => {
          cancel();
          resolve(socket);
        });
      }),
  };
}

async function listenForOne(): Promise<OneCallListener> {
  const { server, ...listener } = await firstCall({ host: '127.0.0.1', port: 0 });
  const address = server.address();
  return { ...listener, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

/** Node.js removes the socket when it closes the server. */
async function listenForOneAt(path: string): Promise<Omit<OneCallListener, 'port'>> {
  const bytes = Buffer.byteLength(path);
  if (bytes > LONGEST_PATH_BYTES) throw tooLong(path, bytes);
  const { server: _, ...listener } = await firstCall({ path });
  return listener;
}

function firstCall(
  where: { path: string } | { host: string; port: number },
): Promise<Omit<OneCallListener, 'port'> & { server: Server }> {
  const server = createServer();
  const call = new Promise<Socket>((resolve, reject) => {
    server.once('connection', (socket) => {
      server.close();
      resolve(socket);
    });
    server.once('close', () => reject(socketError('ECANCELED', 'nobody has called')));
  });
  // Whoever waits for the call learns of it; nobody may be waiting yet.
  call.catch(() => {});
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    void call.then((first) => first !== socket && socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve({ server, call, close: () => void server.close() }));
  });
}
