/** A lean HTTP/2 client with a connection of its own, so that what is measured is the server. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Target } from '../../contract/apiserver/client.ts';

/** A whole answer. */
export type Reply = { code: number; bytes: Buffer };

/** An answer that is none of 200 to 299. */
export class Refusal extends Error {
  readonly request: string;
  constructor(method: string, path: string, { code, bytes }: Reply) {
    super(`${method} ${path} got ${code}: ${bytes.toString('utf8').slice(0, 500)}`);
    /** What was refused, without the object: `PATCH 504`. */
    this.request = `${method} ${code}`;
  }
}

/** One connection of the administrator. */
export type Connection = {
  /** Sends one request; `type` is the media type of the body. */
  send(method: string, path: string, body?: string, type?: string): Promise<Reply>;
  /** The same, throwing a Refusal on any other answer than one of 200 to 299. */
  must(method: string, path: string, body?: string, type?: string): Promise<Reply>;
  /** Opens an answer that goes on; resolves with its head. */
  open(path: string): Promise<ClientHttp2Stream>;
  close(): void;
};

/** Opens a connection. */
export async function openConnection({ url, ca, cert, key }: Target): Promise<Connection> {
  const session = connect(url, { ca, ...(cert && key ? { cert, key } : {}) });
  session.setMaxListeners(0);
  await new Promise<void>((resolve, reject) => {
    session.once('connect', () => resolve());
    session.once('error', reject);
  });
  session.on('error', () => {});
  const send: Connection['send'] = (method, path, body, type = 'application/json') =>
    new Promise((resolve, reject) => {
      const headers = {
        ':method': method,
        ':path': path,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': type }),
      };
      const stream = session.request(headers, { endStream: body === undefined });
      let code = 0;
      const chunks: Buffer[] = [];
      stream.on('response', (head) => {
        code = Number(head[':status']);
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => resolve({ code, bytes: Buffer.concat(chunks) }));
      stream.on('error', reject);
      if (body !== undefined) stream.end(body);
    });
  return {
    send,
    must: async (method, path, body, type) => {
      const reply = await send(method, path, body, type);
      if (reply.code >= 200 && reply.code < 300) return reply;
      throw new Refusal(method, path, reply);
    },
    open: (path) => openStream(session, path),
    close: () => session.destroy(),
  };
}

function openStream(session: ClientHttp2Session, path: string): Promise<ClientHttp2Stream> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, accept: 'application/json' });
    stream.once('response', (head) => {
      if (head[':status'] === 200) resolve(stream);
      else reject(new Error(`${path} got ${head[':status']}`));
    });
    stream.on('error', reject);
  });
}
