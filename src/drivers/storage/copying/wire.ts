/**
 * What two pools say to each other while a volume is copied, over one stream: frames of a type, a length and a payload, in both directions at
 * once. So the end of the data is told from a connection that broke, and a refusal reaches the other host with its reason.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';

/** Frame: 1 byte type, 4 bytes length (big-endian), payload. */
const headerBytes = 5;
const longestPayload = 1024 * 1024;
const types = { data: 1, end: 2, message: 3 } as const;
/** So long a side that has given up waits for the other to have read why, milliseconds. */
const lingerMs = 5_000;

export type Frame = { type: 'Data'; data: Buffer } | { type: 'End' } | { type: 'Message'; value: unknown };

export type Wire = {
  /** Resolves when there is room for more. */
  send(data: Uint8Array): Promise<void>;
  /** No more data comes from this side; messages may. */
  end(): Promise<void>;
  /** Resolves when the message has left this program. */
  tell(message: unknown): Promise<void>;
  /** The next frame. Throws ReasonedError with the other side's reason when it refuses, PeerHungUp when it goes away. */
  next(): Promise<Frame>;
  /** The next frame, which must be a message. */
  hear(): Promise<unknown>;
  /**
   * Tells the other side why this one gives up, and resolves when that has been read or nobody is left to read it; the stream can be closed
   * then. A side that was refused itself says nothing.
   */
  refuse(error: unknown): Promise<void>;
};

/** A wire over `stream`, which stays the caller's to close. All waiting ends with the signal's reason when it is aborted. */
export function createWire(stream: Duplex, signal: AbortSignal, clock: Clock): Wire {
  // Whoever reads or writes sees that the stream broke.
  stream.on('error', () => {});

  let isRefused = false;
  let pending: Buffer = Buffer.alloc(0);
  const exactly = async (length: number): Promise<Buffer> => {
    while (pending.length < length) {
      signal.throwIfAborted();
      // All there is: a stream that is asked for more than it has says at once, and again and again, that it can be read.
      const chunk: unknown = stream.read();
      if (Buffer.isBuffer(chunk)) pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      else if (stream.readableEnded || stream.destroyed) throw hungUp();
      else await eventOf(stream, ['readable', 'end'], signal);
    }
    const taken = pending.subarray(0, length);
    pending = pending.subarray(length);
    return taken;
  };
  const put = async (type: number, payload: Uint8Array): Promise<void> => {
    signal.throwIfAborted();
    if (stream.destroyed || stream.writableEnded) throw hungUp();
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(type, 0);
    header.writeUInt32BE(payload.length, 1);
    stream.cork();
    stream.write(header);
    const hasRoom = stream.write(payload);
    stream.uncork();
    if (!hasRoom) await eventOf(stream, ['drain'], signal);
  };
  const next = async (): Promise<Frame> => {
    const header = await exactly(headerBytes);
    const length = header.readUInt32BE(1);
    if (length > longestPayload) throw notUnderstood();
    const payload = await exactly(length);
    const type = header.readUInt8(0);
    if (type === types.data) return { type: 'Data', data: payload };
    if (type === types.end) return { type: 'End' };
    if (type !== types.message) throw notUnderstood();
    const value: unknown = JSON.parse(payload.toString('utf8'));
    const refusal = refusalIn(value);
    isRefused ||= refusal !== undefined;
    if (refusal !== undefined) throw refusal;
    return { type: 'Message', value };
  };
  const tell = async (message: unknown): Promise<void> => {
    await put(types.message, Buffer.from(JSON.stringify(message)));
    if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  };
  return {
    send: (data) => put(types.data, data),
    end: () => put(types.end, Buffer.alloc(0)),
    tell,
    next,
    hear: async () => {
      const frame = await next();
      if (frame.type !== 'Message') throw notUnderstood();
      return frame.value;
    },
    refuse: async (error) => {
      if (isRefused) return;
      const reasoned = error instanceof ReasonedError ? error : undefined;
      const reason = reasoned?.reason ?? 'StorageFailed';
      const message = error instanceof Error ? error.message : String(error);
      const refused = { reason, message, stalled: reasoned?.stalled ?? false };
      await tell({ refused })
        .then(() => linger(stream, signal, clock))
        .catch(() => {});
    },
  };
}

/**
 * Reads on to the other side's end. TCP resets a connection that is closed with something unread in it, and a reset takes with it what the
 * other side has not read yet: the reason itself (RFC 2525, 2.17).
 */
async function linger(stream: Duplex, signal: AbortSignal, clock: Clock): Promise<void> {
  const patience = new AbortController();
  const cancel = clock.after(lingerMs, () => patience.abort(hungUp()));
  try {
    stream.end();
    while (!stream.readableEnded && !stream.destroyed) {
      if (stream.read() === null)
        await eventOf(stream, ['readable', 'end'], AbortSignal.any([signal, patience.signal]));
    }
  } finally {
    cancel();
  }
}

function refusalIn(value: unknown): ReasonedError | undefined {
  const { refused } = value as { refused?: { reason: string; message: string; stalled: boolean } };
  if (refused === undefined) return undefined;
  return new ReasonedError(refused.reason, refused.message, { stalled: refused.stalled });
}

function hungUp(): ReasonedError {
  return new ReasonedError('PeerHungUp', 'the other host hung up before the volume was copied');
}

function notUnderstood(): ReasonedError {
  return new ReasonedError(
    'PeerNotUnderstood',
    'the other host says what this one does not understand; let both run the same version',
  );
}

/** Waits for one of the events; a stream that breaks or closes ends the waiting too, and the caller looks again. */
function eventOf(stream: Duplex, names: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const all = [...names, 'close', 'error'];
    const settle = (act: () => void) => {
      for (const name of all) stream.off(name, onEvent);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onEvent = () => settle(resolve);
    const onAbort = () => settle(() => reject(signal.reason));
    for (const name of all) stream.on(name, onEvent);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
