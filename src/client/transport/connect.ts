/** Opens a connection to the API server: TLS, then the HTTP version that the server chose (ALPN, RFC 7301). */
import { isIP } from 'node:net';
import * as tls from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Kubeconfig } from '../kubeconfig.ts';
import type { Connection } from './connection.ts';
import { http1Connection } from './http1.ts';
import { http2Connection } from './http2.ts';

const CONNECT_TIMEOUT_MS = 10_000;

async function tlsOptions(kubeconfig: Kubeconfig, server: URL): Promise<tls.ConnectionOptions> {
  const { certificate, key } = await kubeconfig.credentials();
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const serverName = kubeconfig.serverName ?? (isIP(host) === 0 ? host : undefined);
  return {
    host,
    port: Number(server.port === '' ? 443 : server.port),
    rejectUnauthorized: !kubeconfig.insecure,
    minVersion: 'TLSv1.2',
    ...(kubeconfig.authority === undefined ? {} : { ca: kubeconfig.authority }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

function handshake(options: tls.ConnectionOptions, clock: Clock): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...options, ALPNProtocols: ['h2', 'http/1.1'] });
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => {
      socket.destroy(
        new Error(`no connection to ${options.host}:${options.port} in ${CONNECT_TIMEOUT_MS} ms`),
      );
    });
    const fail = (error: Error): void => {
      cancel();
      reject(error);
    };
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      cancel();
      socket.removeListener('error', fail);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** Connects; rejects with the reason of the network or of TLS. */
export async function connect(
  kubeconfig: Kubeconfig,
  options: { clock: Clock; pingMs: number },
): Promise<Connection> {
  const server = new URL(kubeconfig.server);
  if (server.protocol === 'http:') return http1Connection(server, {});
  const tlsFor = await tlsOptions(kubeconfig, server);
  const socket = await handshake(tlsFor, options.clock);
  if (socket.alpnProtocol === 'h2') return http2Connection(server, socket, options);
  socket.on('error', () => {});
  socket.destroy();
  return http1Connection(server, tlsFor);
}
