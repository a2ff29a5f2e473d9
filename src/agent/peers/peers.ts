/**
 * How agents reach each other: a stream whose other end has proven which Host it is. One asks in a line, the other answers in one, and what is asked
 * for follows.
 */
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../base/outcome.ts';

export type Place = { address: string; port: number };

/** The connections of one agent. */
export type Peers = {
  /** Where this agent listens for others; it begins to when asked for the first time. */
  place(): Promise<Place>;
  /** Called for each connection, with the name of the Host at the other end. One handler. */
  serve(handler: (peer: string, stream: Duplex) => void): void;
  /** Throws ReasonedError PeerUnreachable, PeerNotTrusted. */
  connect(host: string, place: Place, signal: AbortSignal): Promise<Duplex>;
  /** Directory of this host's certificates in QEMU's layout; absent: memory and disks are sent without TLS. */
  certificates?: string;
  close(): Promise<void>;
};

/** An agent that nobody can reach: no running guest leaves it or comes to it, and no archive. */
export const noPeers: Peers = {
  place: async () => {
    throw new ReasonedError(
      'PeersNotReady',
      'this host has no certificate to prove itself to other hosts yet',
    );
  },
  serve: () => {},
  connect: async () => {
    throw new ReasonedError(
      'PeersNotReady',
      'this host has no certificate to prove itself to other hosts yet',
    );
  },
  close: async () => {},
};

/** The first line of an answer; what was asked for is in it, or follows. */
export type Answer = { ok: true } | { ok: false; reason: string; message: string };

/** Longest line: a state with the variables of a UEFI firmware in it. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** Reads one line of JSON; what follows it stays in the stream. */
export async function readLine<T>(stream: Duplex): Promise<T> {
  const parts: Buffer[] = [];
  let length = 0;
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      await readable(stream);
      continue;
    }
    const end = chunk.indexOf(10);
    if (end === -1) {
      parts.push(chunk);
      length += chunk.length;
      if (length > LONGEST_LINE) throw new Error('the other host sent a line that is too long');
      continue;
    }
    parts.push(chunk.subarray(0, end));
    if (end + 1 < chunk.length) stream.unshift(chunk.subarray(end + 1));
    return JSON.parse(Buffer.concat(parts).toString('utf8')) as T;
  }
}

/** Sends one line of JSON. */
export function writeLine(stream: Duplex, value: object): void {
  stream.write(`${JSON.stringify(value)}\n`);
}

function readable(stream: Duplex): Promise<void> {
  if (stream.readableEnded || stream.destroyed)
    return Promise.reject(new Error('the other host has hung up'));
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      stream.off('readable', onReadable);
      stream.off('end', onEnd);
      stream.off('close', onEnd);
      stream.off('error', onError);
      act();
    };
    const onReadable = () => settle(resolve);
    const onEnd = () => settle(() => reject(new Error('the other host has hung up')));
    const onError = (error: Error) => settle(() => reject(error));
    stream.on('readable', onReadable);
    stream.on('end', onEnd);
    stream.on('close', onEnd);
    stream.on('error', onError);
  });
}
