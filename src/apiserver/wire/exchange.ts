/** One request and its answer, the same over HTTP/1.1 and HTTP/2. Knows nothing of the API. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { createGzip } from 'node:zlib';
import type { Clock } from '../../base/clock.ts';
import { badRequest, requestTimeout, tooLarge } from '../status.ts';

/** The request as node gives it. */
export type RawRequest = IncomingMessage | Http2ServerRequest;
/** The answer as node gives it. */
export type RawResponse = ServerResponse | Http2ServerResponse;

/** Bodies above this are refused with 413, as kube-apiserver does (MaxRequestBodyBytes). */
export const bodyLimitBytes = 3 * 1024 * 1024;

/** As in kube-apiserver: smaller answers cost more to compress than to send. Level 1 is four times faster than 6. */
const compressAboveBytes = 128 * 1024;
const gzipOptions = { level: 1 };
const gzipHeaders = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' };

/** A body that trickles in longer than this is given up: its sender holds a place that others need. */
const bodyMs = 60_000;

/** A response that goes on: a watch or a long list. */
export type Sink = {
  /** False when the client does not keep up: wait for `drained` before the next write. */
  write(chunk: Uint8Array | string): boolean;
  /** Calls once the client has taken what was written, or is gone. */
  drained(then: () => void): void;
  end(): void;
  /** Breaks the connection, so that a half-written answer cannot pass as a whole one. */
  destroy(): void;
  /** True once nothing can be written any more. */
  readonly closed: boolean;
  /** Calls once when the response is over, for whatever reason. */
  closedThen(then: () => void): void;
};

/** One request being answered. */
export type Exchange = {
  readonly method: string;
  /** Path and query as sent. */
  readonly uri: string;
  /** The path as sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** All headers whose name begins so, as sent, one for each line; `prefix` and the names are in lower case. */
  headersWith(prefix: string): { name: string; value: string }[];
  /** Reads the body; throws 413 above the limit. */
  body(): Promise<Buffer>;
  /** Adds a `Warning: 299` header (RFC 9111); kubectl prints it. */
  warn(text: string): void;
  /** Keeps something about the request for the audit log; what is said first under a key stays. */
  annotate(key: string, value: string): void;
  /** All that was kept. */
  annotations(): ReadonlyMap<string, string>;
  /** Sets a header of the answer. */
  setHeader(name: string, value: string): void;
  /** Answers as a whole. */
  send(code: number, type: string, body: Uint8Array | string): void;
  /** Starts an answer that goes on; a `long` one is compressed where the client takes that, a watch is not: it must not wait. */
  open(code: number, type: string, options?: { long: boolean }): Sink;
  /** True once the head of the answer is out: nothing else can be told any more. */
  answered(): boolean;
  /** The HTTP code of the answer, once its head is out. */
  code(): number;
};

/** Wraps node's request and response. */
export function createExchange(request: RawRequest, response: RawResponse, clock: Clock): Exchange {
  const url = request.url ?? '/';
  const at = url.indexOf('?');
  const warnings: string[] = [];
  const annotations = new Map<string, string>();
  const head = (code: number, headers: Record<string, string>): void => {
    if (warnings.length > 0) response.setHeader('warning', warnings);
    response.writeHead(code, headers);
  };
  return {
    method: request.method ?? 'GET',
    uri: url,
    path: at < 0 ? url : url.slice(0, at),
    query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)),
    header: (name) => {
      const value = request.headers[name];
      return Array.isArray(value) ? value.join(',') : value;
    },
    headersWith: (prefix) => linesWith(request.rawHeaders, prefix),
    body: () => readBody(request, clock),
    warn: (text) => {
      const line = `299 - ${quote(text)}`;
      if (!warnings.includes(line)) warnings.push(line);
    },
    annotate: (key, value) => {
      if (!annotations.has(key)) annotations.set(key, value);
    },
    annotations: () => annotations,
    setHeader: (name, value) => {
      response.setHeader(name, value);
    },
    send: (code, type, body) => {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      if (bytes.byteLength > compressAboveBytes && takesGzip(request)) {
        head(code, { 'content-type': type, ...gzipHeaders });
        const stream = createGzip(gzipOptions);
        const out = response as Writable & NodeJS.WritableStream;
        out.once('close', () => stream.destroy());
        stream.pipe(out);
        stream.end(bytes);
        return;
      }
      head(code, { 'content-type': type, 'content-length': String(bytes.byteLength) });
      response.end(bytes);
    },
    open: (code, type, options) => {
      const compressed = options?.long === true && takesGzip(request);
      head(code, { 'content-type': type, ...(compressed ? gzipHeaders : {}) });
      // A watch may have nothing to say for long; its client waits for the head to know that it is on.
      const stream = response as Writable;
      stream.flushHeaders();
      return compressed ? createCompressedSink(stream) : createSink(stream);
    },
    answered: () => response.headersSent,
    code: () => response.statusCode,
  };
}

/** Node gives names and values in turn. */
function linesWith(raw: readonly string[], prefix: string): { name: string; value: string }[] {
  const lines: { name: string; value: string }[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    if (name.startsWith(prefix)) lines.push({ name, value: raw[index + 1] ?? '' });
  }
  return lines;
}

/** RFC 9111 warn-text: a quoted string without control characters; headers are latin-1 at most. */
function quote(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?').slice(0, 1024);
  return `"${clean.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Both kinds of response share these; the union's overloads cannot be called as they are. */
type Writable = {
  flushHeaders(): void;
  write(chunk: Uint8Array | string): boolean;
  end(): void;
  destroy(): void;
  once(event: 'drain' | 'close', listener: () => void): void;
  removeListener(event: 'drain' | 'close', listener: () => void): void;
};

/** True when the client says in Accept-Encoding that it takes gzip (RFC 9110, 12.5.3). */
function takesGzip(request: RawRequest): boolean {
  const header = request.headers['accept-encoding'];
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return text.split(',').some((part) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(part));
}

/** What is written passes through gzip, which works on a thread of its own; the response is what ends, closes and breaks. */
function createCompressedSink(stream: Writable): Sink {
  const gzip = createGzip(gzipOptions);
  const response = createSink(stream);
  gzip.pipe(stream as Writable & NodeJS.WritableStream);
  response.closedThen(() => gzip.destroy());
  let ended = false;
  return {
    write: (chunk) => !response.closed && !ended && gzip.write(chunk),
    drained: (then) => {
      if (response.closed) return then();
      const once = () => {
        gzip.removeListener('drain', once);
        gzip.removeListener('close', once);
        then();
      };
      gzip.once('drain', once);
      gzip.once('close', once);
    },
    end: () => {
      ended = true;
      gzip.end();
    },
    destroy: () => response.destroy(),
    get closed() {
      return response.closed;
    },
    closedThen: response.closedThen,
  };
}

function createSink(stream: Writable): Sink {
  let closed = false;
  let ended = false;
  stream.once('close', () => {
    closed = true;
  });
  return {
    write: (chunk) => !closed && !ended && stream.write(chunk),
    drained: (then) => {
      const once = () => {
        stream.removeListener('drain', once);
        stream.removeListener('close', once);
        then();
      };
      if (closed) return then();
      stream.once('drain', once);
      stream.once('close', once);
    },
    end: () => {
      ended = true;
      stream.end();
    },
    destroy: () => stream.destroy(),
    get closed() {
      return closed;
    },
    closedThen: (then) => {
      if (closed) then();
      else stream.once('close', then);
    },
  };
}

async function readBody(request: RawRequest, clock: Clock): Promise<Buffer> {
  let cancel = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    cancel = clock.after(bodyMs, () => reject(requestTimeout(bodyMs)));
  });
  try {
    return await Promise.race([collect(request), late]);
  } finally {
    cancel();
  }
}

function collect(request: RawRequest): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > bodyLimitBytes) {
    if (declared <= 4 * bodyLimitBytes) request.resume();
    return Promise.reject(tooLarge(bodyLimitBytes));
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bodyLimitBytes) {
        chunks.push(chunk);
        return;
      }
      // The rest is read and dropped so that the client gets to read the answer, but not without end.
      chunks.length = 0;
      reject(tooLarge(bodyLimitBytes));
      if (size > 4 * bodyLimitBytes) request.destroy();
    });
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.once('aborted', () => reject(badRequest('the request was broken off')));
    request.once('error', () => reject(badRequest('the request was broken off')));
  });
}
