/** The TLS listener: HTTP/2 and HTTP/1.1 on one port, dead connections found by pings, an end in order. */
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { subjectFrom } from '../../base/pki/certificates.ts';
import type { Evidence } from '../access/authenticate.ts';
import { createExchange, type Exchange, type RawRequest, type RawResponse } from './exchange.ts';

/** PEM texts the listener needs. Client certificates must come from `clientCa`. */
export type ListenerKeys = { certificate: string; key: string; clientCa: string };

/** Where it listens and whom it calls. */
export type ListenerOptions = {
  host: string;
  /** 0 lets the system choose. */
  port: number;
  keys: ListenerKeys;
  clock: Clock;
  log: Log;
  onRequest: (exchange: Exchange, evidence: Evidence) => void;
  /** Default: those of this server. */
  limits?: ListenerLimits;
};

/** What connections may cost. */
export type ListenerLimits = {
  /** Connections at once; beyond it the newest are refused so that the others go on. */
  connections: number;
  /** Who does not finish the TLS handshake in time is cut off. */
  handshakeMs: number;
  /** So is an HTTP/1.1 head that trickles in, and a whole request. */
  headersMs: number;
  requestMs: number;
  /** How often they are looked at. */
  lookMs: number;
};

/** 10,000 watches fit on a hundred connections. */
const defaultLimits: ListenerLimits = {
  connections: 4096,
  handshakeMs: 10_000,
  headersMs: 15_000,
  requestMs: 75_000,
  lookMs: 5_000,
};

/** A running listener. */
export type Listener = { host: string; port: number; close(): Promise<void> };

/** HTTP/2 sessions whose peer has silently vanished never end by themselves (nodejs/node#44523). */
const pingMs = 30_000;
const pongMs = 15_000;
/** Connections that do not end after their last answer are cut. */
const closeMs = 3_000;
const streamsPerSession = 1000;
/** A body of the largest size should not wait for window updates. */
const windowBytes = 4 * 1024 * 1024;

/** Memory of one HTTP/2 session in MB, and the size and number of the headers of one request. */
const sessionMegabytes = 32;
const headerListBytes = 32 * 1024;
const headerPairs = 128;

/** Starts to listen; rejects with the system's error (EADDRINUSE...). */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { keys, onRequest, clock, log, limits = defaultLimits } = options;
  const sessions = new Set<ServerHttp2Session>();
  /** Connections with their HTTP/1.1 requests under way. */
  const sockets = new Map<TLSSocket, number>();
  let closing = false;
  const evidence = createEvidenceReader();
  const streams = createStreams();
  const server = createSecureServer(
    {
      allowHTTP1: true,
      cert: keys.certificate,
      key: keys.key,
      ca: keys.clientCa,
      requestCert: true,
      // Who has no certificate, or a wrong one, gets an answer that says so instead of a broken connection.
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: limits.handshakeMs,
      maxSessionMemory: sessionMegabytes,
      maxHeaderListPairs: headerPairs,
      settings: {
        maxConcurrentStreams: streamsPerSession,
        initialWindowSize: windowBytes,
        maxHeaderListSize: headerListBytes,
      },
    },
    (request, response) => {
      request.on('error', () => {});
      response.on('error', () => {});
      if (request.httpVersionMajor === 1) countRequest(request.socket as TLSSocket, response);
      else streams.add((request as Http2ServerRequest).stream);
      onRequest(createExchange(request, response, clock), evidence(request));
    },
  );
  server.maxConnections = limits.connections;
  // The HTTP/1.1 side takes these as properties only (node:http Server), looked at from the first moment it listens.
  Object.assign(server, {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: limits.lookMs,
  });
  function countRequest(socket: TLSSocket, response: RawResponse): void {
    sockets.set(socket, (sockets.get(socket) ?? 0) + 1);
    (response as { once(event: 'close', then: () => void): void }).once('close', () => {
      const left = (sockets.get(socket) ?? 1) - 1;
      if (sockets.has(socket)) sockets.set(socket, left);
      if (closing && left === 0) socket.end();
    });
  }
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.set(socket, 0);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    sessions.add(session);
    const stop = keepPinging(session, clock);
    session.setLocalWindowSize(windowBytes);
    session.once('close', () => {
      stop();
      sessions.delete(session);
    });
  });
  server.on('sessionError', (error) => log.debug('a connection failed', { error: String(error) }));
  server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: String(error) }));
  const { port } = await bind(server, options.host, options.port);
  const stopLooking = repeat(clock, limits.lookMs, streams.endLeft);
  server.on('error', (error) => log.error('the listener failed', { error: String(error) }));
  return {
    host: options.host,
    port,
    close: () => {
      closing = true;
      stopLooking();
      return closeAll(server, sessions, sockets, clock);
    },
  };
}

function bind(server: Http2SecureServer, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.removeListener('error', reject);
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address);
      else reject(new Error('the listener has no address'));
    });
  });
}

function keepPinging(session: ServerHttp2Session, clock: Clock): () => void {
  let cancelPong = () => {};
  let cancelPing = () => {};
  const ping = () => {
    if (session.destroyed) return;
    cancelPong = clock.after(pongMs, () => session.destroy());
    try {
      session.ping(() => {
        cancelPong();
        cancelPing = clock.after(pingMs, ping);
      });
    } catch {
      session.destroy();
    }
  };
  cancelPing = clock.after(pingMs, ping);
  return () => {
    cancelPing();
    cancelPong();
  };
}

async function closeAll(
  server: Http2SecureServer,
  sessions: ReadonlySet<ServerHttp2Session>,
  sockets: ReadonlyMap<TLSSocket, number>,
  clock: Clock,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of sessions) session.close();
  // HTTP/1.1 connections would stay until their clients let go; those with an answer under way end after it.
  for (const [socket, requests] of sockets)
    if (socket.alpnProtocol !== 'h2' && requests === 0) socket.destroy();
  const cancel = clock.after(closeMs, () => {
    for (const session of sessions) session.destroy();
    for (const socket of sockets.keys()) socket.destroy();
  });
  await closed;
  cancel();
}

/**
 * Ends streams that their clients have reset without an error while something was still to be written to them: node waits for that write for
 * ever, with all that the stream and its connection hold. It tells so where the answer goes on, and tells nobody where it has ended: those
 * `endLeft` ends.
 */
function createStreams(): { add(stream: ServerHttp2Stream): void; endLeft(): void } {
  const open = new Set<ServerHttp2Stream>();
  return {
    add: (stream) => {
      open.add(stream);
      stream.once('close', () => open.delete(stream));
      stream.once('aborted', () => setImmediate(() => stream.destroy()));
    },
    endLeft: () => {
      // Closed, whether the client has taken all or wants no more: nothing can reach it.
      for (const stream of open) if (stream.closed) stream.destroy();
    },
  };
}

/** Runs every `ms`; the returned function ends that. */
function repeat(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = () => {};
  const wait = (): void => {
    cancel = clock.after(ms, () => {
      run();
      wait();
    });
  };
  wait();
  return () => cancel();
}

/** Reads what a client shows of itself; the certificate of a connection is looked at once. */
function createEvidenceReader(): (request: RawRequest) => Evidence {
  const known = new WeakMap<object, Evidence>();
  return (request) => {
    const connection = 'stream' in request ? (request.stream.session ?? request.socket) : request.socket;
    const shown = known.get(connection) ?? certificateOf(request.socket as TLSSocket);
    known.set(connection, shown);
    const { authorization } = request.headers;
    return authorization === undefined ? shown : { ...shown, authorization };
  };
}

function certificateOf(socket: TLSSocket): Evidence {
  const peer = socket.getPeerCertificate();
  const { remoteAddress } = socket;
  const from = remoteAddress === undefined ? {} : { address: remoteAddress };
  if (peer === null || peer.subject === undefined) return from;
  if (!socket.authorized) return { ...from, certificate: 'invalid' };
  return { ...from, certificate: subjectFrom(peer.subject) };
}
