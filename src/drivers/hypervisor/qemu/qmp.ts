/**
 * One conversation with QEMU over its machine protocol: commands with answers by number, events, an end. It knows no guest.
 * https://www.qemu.org/docs/master/interop/qmp-spec.html
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { Sockets } from '../../../base/sockets.ts';

export type QmpEvent = { event: string; data: Readonly<Record<string, unknown>> };

/**
 * `outOfBand`: heard even while QEMU's main loop waits for something, as it does for memory that has not come yet; only a few commands can be.
 * https://www.qemu.org/docs/master/interop/qmp-spec.html#out-of-band-execution
 */
export type ExecuteOptions = { timeoutMs?: number; outOfBand?: boolean };

export type QmpConnection = {
  /** Throws QmpError when QEMU refuses; ReasonedError QmpTimeout (default 5 s), QmpClosed when the connection ended. */
  execute(
    command: string,
    values?: Readonly<Record<string, unknown>>,
    options?: ExecuteOptions,
  ): Promise<unknown>;
  onEvent(listener: (event: QmpEvent) => void): void;
  /** Resolves when the connection has ended, from either side. */
  readonly closed: Promise<void>;
  close(): void;
};

/** QEMU's own refusal, with its words. */
export class QmpError extends Error {
  readonly command: string;

  constructor(command: string, description: string) {
    super(`${command}: ${description}`);
    this.name = 'QmpError';
    this.command = command;
  }
}

const defaultTimeoutMs = 5_000;

/** Connects, hears the greeting and agrees on capabilities, all within `timeoutMs`. A monitor that serves another client never greets. */
export async function connectQmp(
  ports: { sockets: Sockets; clock: Clock },
  path: string,
  timeoutMs: number,
): Promise<QmpConnection> {
  const until = ports.clock.monotonic() + timeoutMs;
  const stream = await ports.sockets.connectUnix(path, { timeoutMs });
  const conversation = converse(stream, ports.clock);
  try {
    const left = () => Math.max(1, until - ports.clock.monotonic());
    const capabilities = await conversation.greeting(left());
    const enable = capabilities.includes('oob') ? { enable: ['oob'] } : {};
    await conversation.connection.execute('qmp_capabilities', enable, { timeoutMs: left() });
    return conversation.connection;
  } catch (error) {
    conversation.connection.close();
    throw error;
  }
}

type Waiting = { resolve(value: unknown): void; reject(error: Error): void; command: string };

function converse(stream: Duplex, clock: Clock) {
  const waiting = new Map<number, Waiting>();
  const listeners: ((event: QmpEvent) => void)[] = [];
  let lastId = 0;
  let ended = false;

  /** An answer by number, or an error after `timeoutMs`; the number is free again in any case. */
  const expect = (id: number, command: string, timeoutMs: number) =>
    new Promise<unknown>((resolve, reject) => {
      const cancel = clock.after(timeoutMs, () => {
        waiting.delete(id);
        const message = `QEMU did not answer ${command} within ${timeoutMs} ms`;
        reject(new ReasonedError('QmpTimeout', message));
      });
      const settle = (finish: () => void) => {
        cancel();
        waiting.delete(id);
        finish();
      };
      waiting.set(id, {
        command,
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
      });
    });

  const closed = new Promise<void>((resolve) => {
    stream.once('close', () => {
      ended = true;
      for (const one of [...waiting.values()]) one.reject(closedError(one.command));
      resolve();
    });
  });
  readLines(stream, (line) => {
    const message = parseMessage(line);
    if (message === undefined) stream.destroy();
    else if (message.type === 'event') for (const listener of listeners) listener(message.event);
    else if (message.type === 'greeting') waiting.get(0)?.resolve(message.capabilities);
    else {
      const one = waiting.get(message.id);
      if (message.error === undefined) one?.resolve(message.value);
      else one?.reject(new QmpError(one.command, message.error));
    }
  });
  stream.on('error', () => stream.destroy());
  // QEMU's end of the stream comes before the close of ours.
  stream.once('end', () => stream.destroy());

  const connection: QmpConnection = {
    execute: async (command, values = {}, options = {}) => {
      if (ended) throw closedError(command);
      lastId += 1;
      const answer = expect(lastId, command, options.timeoutMs ?? defaultTimeoutMs);
      const how = options.outOfBand === true ? 'exec-oob' : 'execute';
      stream.write(`${JSON.stringify({ [how]: command, arguments: values, id: lastId })}\n`);
      return answer;
    },
    onEvent: (listener) => {
      listeners.push(listener);
    },
    closed,
    close: () => {
      stream.destroy();
    },
  };
  const greeting = async (timeoutMs: number) => (await expect(0, 'the greeting', timeoutMs)) as string[];
  return { connection, greeting };
}

function closedError(command: string): ReasonedError {
  return new ReasonedError('QmpClosed', `the connection to QEMU ended before it answered ${command}`);
}

function readLines(stream: Duplex, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') take(line);
  });
}

type Message =
  | { type: 'greeting'; capabilities: string[] }
  | { type: 'event'; event: QmpEvent }
  | { type: 'answer'; id: number; value?: unknown; error?: string };

/** Undefined when this is not the protocol: somebody else answers on that socket. */
function parseMessage(line: string): Message | undefined {
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (isRecord(raw.QMP)) {
    const { capabilities } = raw.QMP;
    return { type: 'greeting', capabilities: Array.isArray(capabilities) ? capabilities : [] };
  }
  if (typeof raw.event === 'string') {
    return { type: 'event', event: { event: raw.event, data: isRecord(raw.data) ? raw.data : {} } };
  }
  if (isRecord(raw.error)) return { type: 'answer', id: Number(raw.id), error: String(raw.error.desc) };
  return { type: 'answer', id: Number(raw.id), value: raw.return };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
