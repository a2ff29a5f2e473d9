/** Asks the agent of another host for something, and reads its answer. */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { type Answer, type Peers, type Place, readLine, writeLine } from './peers.ts';

/** A host that does not answer in this time is away; silence later on the connection itself ends. */
const ANSWER_MS = 20_000;

/** Nothing was heard of it: its agent may be on its way back. */
export const SOURCE_SILENT = 'SourceSilent';

export type Asking = {
  peers: Peers;
  clock: Pick<Clock, 'after'>;
  signal: AbortSignal;
};

/** `use` reads what follows the answer; the stream is closed then. Throws ReasonedError with the reason of the other host too. */
export async function askPeer<A extends Answer, T>(
  { peers, clock, signal }: Asking,
  { host, place }: { host: string; place: Place },
  question: object,
  use: (answer: Extract<A, { ok: true }>, stream: Duplex) => Promise<T>,
): Promise<T> {
  const stream = await peers.connect(host, place, signal);
  // A stream that breaks is seen by whoever reads or writes it.
  stream.on('error', () => undefined);
  const hangUp = () => void stream.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  const cancel = clock.after(ANSWER_MS, hangUp);
  try {
    writeLine(stream, question);
    const answer = await readLine<A>(stream).catch((error: unknown) => {
      throw new ReasonedError(SOURCE_SILENT, `the source does not answer: ${error}`);
    });
    cancel();
    if (!answer.ok) throw new ReasonedError(answer.reason, answer.message);
    return await use(answer as Extract<A, { ok: true }>, stream);
  } finally {
    cancel();
    signal.removeEventListener('abort', hangUp);
    stream.destroy();
  }
}
