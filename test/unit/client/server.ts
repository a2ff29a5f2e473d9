/** A small HTTPS server for tests of the transport: HTTP/2 or only HTTP/1.1, with a certificate of its own. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import type {
  Http2SecureServer,
  Http2ServerRequest,
  Http2ServerResponse,
  ServerHttp2Session,
} from 'node:http2';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer as createTcpServer } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { Kubeconfig } from '../../../src/client/kubeconfig.ts';

type Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

export type TestServer = {
  kubeconfig: Kubeconfig;
  /** HTTP/2 sessions opened so far. */
  sessions: ServerHttp2Session[];
  /** TCP connections opened so far. */
  sockets: Socket[];
  close(): Promise<void>;
};

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function certificate(): Promise<{ cert: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: 'CN=localhost',
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    },
    webcrypto,
  );
  const exported = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const key = `-----BEGIN PRIVATE KEY-----\n${exported}\n-----END PRIVATE KEY-----\n`;
  return { cert: made.toString('pem'), key };
}

/** Serves `handler` on a free port of the loopback interface. */
export async function serve(handler: Handler, options: { http1?: boolean } = {}): Promise<TestServer> {
  const { cert, key } = await certificate();
  const sessions: ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  const server =
    options.http1 === true
      ? (createHttpsServer({ cert, key }, handler as never) as unknown as Http2SecureServer)
      : createSecureServer({ cert, key }, handler);
  server.on('session', (session: ServerHttp2Session) => {
    session.on('error', () => {});
    sessions.push(session);
  });
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    sessions,
    sockets,
    kubeconfig: {
      server: `https://127.0.0.1:${port}`,
      namespace: 'default',
      authority: cert,
      insecure: false,
      credentials: async () => ({ authorization: 'Bearer secret' }),
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Answers with JSON. */
export function answer(response: Http2ServerResponse, code: number, body: unknown, headers = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** The whole body of a request. */
export async function bodyOf(request: Http2ServerRequest): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** A relay in front of a server whose connections can fall silent without closing, as behind a cut cable. */
export async function createMiddle(
  target: string,
): Promise<{ url: string; freeze(): void; thaw(): void; close(): Promise<void> }> {
  const port = Number(new URL(target).port);
  const sockets = new Set<Socket>();
  let frozen = false;
  const relay = createTcpServer((near) => {
    const far = connect({ port, host: '127.0.0.1' });
    const pass = (from: Socket, to: Socket): void => {
      sockets.add(from);
      from.on('data', (bytes) => frozen || to.write(bytes));
      from.on('close', () => to.destroy());
      from.on('error', () => {});
    };
    pass(near, far);
    pass(far, near);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    freeze: () => {
      frozen = true;
    },
    thaw: () => {
      frozen = false;
    },
    close: () =>
      new Promise((resolve) => {
        relay.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
