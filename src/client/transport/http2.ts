/** One HTTP/2 session carrying all requests and watches of a client; a session that does not answer pings is given up. */

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Connection, HttpRequest, HttpResponse } from './connection.ts';
import { NotSentError } from './connection.ts';

/** The default of 64 KiB would make a long list wait for the round trip again and again (RFC 9113, 6.9). */
const STREAM_WINDOW_BYTES = 4 * 2 ** 20;
const SESSION_WINDOW_BYTES = 32 * 2 ** 20;

/** Says that a stream was not processed at all: RFC 9113, 8.7. */
function wasRefused(stream: ClientHttp2Stream): boolean {
  return stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
}

function openStream(session: ClientHttp2Session, request: HttpRequest): ClientHttp2Stream {
  try {
    return session.request(
      { ':method': request.method, ':path': request.path, ...request.headers },
      { endStream: request.body === undefined },
    );
  } catch (error) {
    throw new NotSentError(error);
  }
}

function exchange(
  session: ClientHttp2Session,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const stream = openStream(session, request);
    const abort = (): void => {
      stream.close(http2.constants.NGHTTP2_CANCEL);
      stream.destroy(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal.addEventListener('abort', abort, { once: true });
    stream.on('error', (error) => {
      reject(signal.aborted ? signal.reason : wasRefused(stream) ? new NotSentError(error) : error);
    });
    stream.once('close', () => {
      signal.removeEventListener('abort', abort);
      reject(new Error('the connection closed before the answer'));
    });
    stream.once('response', (headers) => {
      const isComplete = (): boolean =>
        !stream.aborted && stream.rstCode === http2.constants.NGHTTP2_NO_ERROR;
      resolve({ code: headers[':status'] ?? 0, headers, body: stream, isComplete });
    });
    if (request.body !== undefined) stream.end(request.body);
  });
}

/** Pings every `pingMs`; a ping without answer until the next one is due destroys the session and all its streams. */
function keepWatch(session: ClientHttp2Session, clock: Clock, pingMs: number): void {
  let answered = true;
  let cancel = (): void => {};
  const beat = (): void => {
    if (session.destroyed) return;
    if (!answered) {
      session.destroy(new Error(`the server did not answer a ping within ${pingMs} ms`));
      return;
    }
    answered = false;
    session.ping((error) => {
      answered = error === null;
    });
    cancel = clock.after(pingMs, beat);
  };
  cancel = clock.after(pingMs, beat);
  session.once('close', () => cancel());
}

/** Makes a session of a TLS socket on which h2 was agreed. */
export function http2Connection(
  server: URL,
  socket: TLSSocket,
  options: { clock: Clock; pingMs: number },
): Connection {
  const session = http2.connect(server.origin, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
  });
  // Every stream reports the error itself; without a listener it would end the process.
  session.on('error', () => {});
  session.once('connect', () => session.setLocalWindowSize(SESSION_WINDOW_BYTES));
  keepWatch(session, options.clock, options.pingMs);
  return {
    exchange: (request, signal) => exchange(session, request, signal),
    usable: () => !session.closed && !session.destroyed,
    close: () => session.destroy(),
  };
}
