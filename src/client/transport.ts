/** Requests to one API server: one pooled connection, made again when it is gone, a deadline on everything. */
import type { Clock } from '../base/clock.ts';
import { ApiError } from './contract.ts';
import type { Kubeconfig } from './kubeconfig.ts';
import { connect } from './transport/connect.ts';
import type { Connection, HttpRequest, HttpResponse } from './transport/connection.ts';
import { chunksOf, NotSentError } from './transport/connection.ts';

export type TransportRequest = {
  method: string;
  /** Path and query, without the server's own path. */
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  signal?: AbortSignal | undefined;
  /** For a whole answer, or for the head of a stream. */
  timeoutMs?: number | undefined;
};

export type Answer = { code: number; headers: HttpResponse['headers']; text: string };

export type Transport = {
  /** The whole answer. Rejects with ApiError code 0 (Timeout, Aborted, Unreachable). */
  request(request: TransportRequest): Promise<Answer>;
  /** Resolves with the head of an answer whose body has no end of its own; `end` gives it up. */
  stream(request: TransportRequest): Promise<HttpResponse & { end(reason: Error): void }>;
  close(): void;
};

export type TransportOptions = {
  kubeconfig: Kubeconfig;
  clock: Clock;
  userAgent: string;
  /** Default 30 s. */
  timeoutMs?: number;
  /** Default 10 s: a third of the time after which a silent server must be noticed. */
  pingMs?: number;
};

/** Keeps at most one connection, opened by the first request that needs it and shared by those that wait meanwhile. */
function createPool(options: TransportOptions): { connection(): Promise<Connection>; close(): void } {
  const { kubeconfig, clock, pingMs = 10_000 } = options;
  let current: Connection | undefined;
  let opening: Promise<Connection> | undefined;
  let closed = false;

  const open = async (): Promise<Connection> => {
    try {
      const fresh = await connect(kubeconfig, { clock, pingMs });
      if (closed) fresh.close();
      current = fresh;
      return fresh;
    } finally {
      opening = undefined;
    }
  };

  return {
    connection: async () => {
      if (closed) throw new Error('the client is closed');
      if (current?.usable() === true) return current;
      opening ??= open();
      return opening;
    },
    close: () => {
      closed = true;
      current?.close();
    },
  };
}

async function textOf(response: HttpResponse): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(response)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function unreachable(server: string, error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ApiError(0, 'Unreachable', `no answer from ${server}: ${why}`);
}

/** An abort that the caller or the deadline causes; `release` forgets both. */
function guard(
  clock: Clock,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): { signal: AbortSignal; abort(reason: Error): void; cancelDeadline(): void; release(): void } {
  const controller = new AbortController();
  const follow = (): void => controller.abort(new ApiError(0, 'Aborted', 'the request was aborted'));
  if (outer?.aborted === true) follow();
  outer?.addEventListener('abort', follow, { once: true });
  const cancelDeadline = clock.after(timeoutMs, () => {
    controller.abort(new ApiError(0, 'Timeout', `no answer within ${timeoutMs} ms`));
  });
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    cancelDeadline,
    release: () => {
      cancelDeadline();
      outer?.removeEventListener('abort', follow);
    },
  };
}

/** Waits for `work` no longer than the signal: a connection being made does not hear it. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Makes a transport; nothing is opened before the first request. */
export function createTransport(options: TransportOptions): Transport {
  const { kubeconfig, clock, userAgent } = options;
  const pool = createPool(options);
  const prefix = new URL(kubeconfig.server).pathname.replace(/\/$/, '');

  const headersOf = async (request: TransportRequest): Promise<Record<string, string>> => {
    const { authorization } = await kubeconfig.credentials();
    return {
      'user-agent': userAgent,
      accept: 'application/json',
      ...(authorization === undefined ? {} : { authorization }),
      ...request.headers,
    };
  };

  const send = async (request: TransportRequest, signal: AbortSignal): Promise<HttpResponse> => {
    const headers = await headersOf(request);
    const { method, body } = request;
    const message: HttpRequest = { method, path: `${prefix}${request.path}`, headers };
    const whole: HttpRequest = body === undefined ? message : { ...message, body };
    try {
      return await (await pool.connection()).exchange(whole, signal);
    } catch (error) {
      if (!(error instanceof NotSentError)) throw error;
      return (await pool.connection()).exchange(whole, signal);
    }
  };

  return {
    request: async (request) => {
      const watch = guard(clock, request.timeoutMs ?? options.timeoutMs ?? 30_000, request.signal);
      try {
        const response = await within(send(request, watch.signal), watch.signal);
        const text = await within(textOf(response), watch.signal);
        return { code: response.code, headers: response.headers, text };
      } catch (error) {
        throw unreachable(kubeconfig.server, error);
      } finally {
        watch.release();
      }
    },
    stream: async (request) => {
      const watch = guard(clock, request.timeoutMs ?? options.timeoutMs ?? 30_000, request.signal);
      try {
        const response = await within(send(request, watch.signal), watch.signal);
        watch.cancelDeadline();
        response.body.once('close', watch.release);
        return { ...response, end: watch.abort };
      } catch (error) {
        watch.release();
        throw unreachable(kubeconfig.server, error);
      }
    },
    close: pool.close,
  };
}
