/** What the two HTTP versions have in common: a connection that carries requests until it is no longer usable. */
import type { Readable } from 'node:stream';

export type HttpRequest = {
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
};

/** The answer's head; the body follows. Destroying the body gives up the rest of the answer. */
export type HttpResponse = {
  code: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Readable;
  /** Asked after the body's end: false when the connection broke and the end is none. */
  isComplete(): boolean;
};

/** The body's bytes. Throws when it was cut: Node.js ends the stream of a broken connection like a complete one. */
export async function* chunksOf(response: Pick<HttpResponse, 'body' | 'isComplete'>): AsyncGenerator<Buffer> {
  for await (const chunk of response.body) yield chunk as Buffer;
  if (!response.isComplete()) throw new Error('the connection broke in the middle of the answer');
}

export type Connection = {
  /** Resolves with the head of the answer. An aborted signal ends the exchange, its body included. */
  exchange(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse>;
  usable(): boolean;
  close(): void;
};

/** The request certainly did not reach the server's logic: sending it once more is safe for every method. */
export class NotSentError extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : 'the request was not sent', { cause });
    this.name = 'NotSentError';
  }
}
