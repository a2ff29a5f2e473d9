/**
 * The QEMU guest agent inside a machine, asked one thing at a time over a connection of its own. Whoever writes to its channel may have left
 * half an answer in it, so each connection begins with guest-sync-delimited. https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
 */
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';

/** Byte by which agent and client find the beginning of an answer. */
const delimiter = 0xff;

type AgentWorld = Pick<World, 'sockets' | 'clock' | 'random'>;

/**
 * What the agent answers to `command`. Throws ReasonedError GuestAgentSilent after `timeoutMs` and when nobody listens, GuestAgentRefused
 * with the agent's words.
 */
export async function askGuestAgent(
  { sockets, clock, random }: AgentWorld,
  socket: string,
  command: string,
  timeoutMs: number,
): Promise<unknown> {
  const stream = await sockets.connectUnix(socket, { timeoutMs }).catch((error: unknown) => {
    throw new ReasonedError(
      'GuestAgentSilent',
      `the guest agent's channel cannot be reached: ${String(error)}`,
    );
  });
  const silent = new ReasonedError(
    'GuestAgentSilent',
    `the guest agent did not answer within ${timeoutMs} ms`,
  );
  const cancel = clock.after(timeoutMs, () => stream.destroy(silent));
  try {
    const answers = readAnswers(stream);
    const id = Buffer.from(random.bytes(4)).readUInt32BE() >>> 1;
    stream.write(Buffer.from([delimiter]));
    stream.write(line('guest-sync-delimited', { id }));
    for (;;) if ((await next(answers)).return === id) break;
    stream.write(line(command));
    const answer = await next(answers);
    if (answer.error === undefined) return answer.return;
    throw new ReasonedError('GuestAgentRefused', `${command}: ${answer.error.desc ?? 'refused'}`);
  } finally {
    cancel();
    stream.destroy();
  }
}

function line(execute: string, values?: object): string {
  return `${JSON.stringify({ execute, ...(values === undefined ? {} : { arguments: values }) })}\n`;
}

type Answer = { return?: unknown; error?: { desc?: string } };

async function next(answers: AsyncGenerator<Answer>): Promise<Answer> {
  const { value, done } = await answers.next();
  if (done !== true) return value;
  throw new ReasonedError('GuestAgentSilent', 'the guest agent hung up');
}

/** Lines that are JSON; what an earlier client left half-read is none, and is passed over. */
async function* readAnswers(stream: Duplex): AsyncGenerator<Answer> {
  let pending = '';
  for await (const chunk of stream) {
    pending += Buffer.from(chunk as Uint8Array).toString('latin1');
    const lines = pending.split(/[\n\u00ff]/);
    pending = lines.pop() ?? '';
    for (const text of lines) {
      const answer = parsed(text);
      if (answer !== undefined) yield answer;
    }
  }
}

function parsed(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
