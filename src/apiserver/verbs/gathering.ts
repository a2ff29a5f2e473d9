/**
 * Gathers a long answer piece by piece in one buffer, which is filled again once the client has taken it. A list of five hundred in buffers of
 * its own is a megabyte for the garbage collector: ten of them a second made it stop everything each second.
 */
import { badRequest } from '../status.ts';
import type { Exchange, Sink } from '../wire/exchange.ts';

/** What is gathered before it is sent; an answer below it is sent whole. */
const chunkBytes = 64 * 1024;
/** The buffer is larger, by what the last piece goes beyond that as a rule. */
const spareBytes = 16 * 1024;

/** An answer being written. */
export type Gathering = {
  /**
   * Adds a text of ASCII characters and bytes, which must stay as they are until they are sent. A promise when the client has to take
   * something first; it rejects when the client has gone.
   */
  add(head: string, body: Uint8Array): Promise<void> | undefined;
  /** Adds the end and sends what is left. */
  end(text: string): void;
  /** Lets a client whose answer has begun know that it is not whole. */
  breakOff(): void;
};

/** Begins an answer with code 200; its head goes out with the first full buffer. */
export function createGathering(exchange: Exchange, type: string): Gathering {
  let waiting: (string | Uint8Array)[] = [];
  let bytes = 0;
  let sink: Sink | undefined;
  let room: Buffer | undefined;

  const push = (head: string, body: Uint8Array): void => {
    waiting.push(head, body);
    bytes += head.length + body.byteLength;
  };

  /** All that waits, written into `buffer`. */
  const take = (buffer: Buffer): Buffer => {
    let at = 0;
    for (const piece of waiting) {
      if (typeof piece === 'string') at += buffer.write(piece, at, 'latin1');
      else {
        buffer.set(piece, at);
        at += piece.byteLength;
      }
    }
    waiting = [];
    bytes = 0;
    return buffer.subarray(0, at);
  };

  const flush = async (): Promise<void> => {
    sink ??= exchange.open(200, type, { long: true });
    const { write, drained } = sink;
    if (room === undefined || room.byteLength < bytes)
      room = Buffer.allocUnsafeSlow(Math.max(bytes, chunkBytes + spareBytes));
    // What the stream has not handed on yet lies there until it is drained.
    if (write(take(room))) room = undefined;
    else await new Promise<void>((resolve) => drained(resolve));
    if (sink.closed) throw badRequest('the client has gone');
  };

  return {
    add: (head, body) => {
      push(head, body);
      return bytes < chunkBytes ? undefined : flush();
    },
    end: (text) => {
      push('', Buffer.from(text));
      const rest = take(Buffer.allocUnsafe(bytes));
      if (sink === undefined) return exchange.send(200, type, rest);
      sink.write(rest);
      sink.end();
    },
    breakOff: () => sink?.destroy(),
  };
}
