/** Answers other hosts: reads what is asked, and leaves it to who knows of it. Nothing else is served to anybody. */
import type { Duplex } from 'node:stream';
import { outcomeOf, ReasonedError } from '../../base/outcome.ts';
import { type Answer, readLine, writeLine } from './peers.ts';

/** Answers the Host `peer`, whose first line is read; what it throws is told unless something was said already. */
export type Answerer = (peer: string, question: never, stream: Duplex, signal: AbortSignal) => Promise<void>;

/** One connection of the Host `peer`; `answerers` by the field that their questions have. Never throws. */
export async function answerPeer(
  answerers: Readonly<Record<string, Answerer>>,
  peer: string,
  stream: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const hangUp = () => void stream.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  // A stream that breaks is seen by whoever reads or writes it.
  stream.on('error', () => undefined);
  try {
    const question = await readLine<object>(stream);
    const [, answer] = Object.entries(answerers).find(([about]) => about in question) ?? [];
    if (answer === undefined)
      throw new ReasonedError('PeerNotUnderstood', 'this host does not understand what is asked');
    await answer(peer, question as never, stream, signal);
  } catch (error) {
    refuse(stream, error);
  } finally {
    signal.removeEventListener('abort', hangUp);
  }
}

function refuse(stream: Duplex, error: unknown): void {
  const outcome = outcomeOf(error, 'SourceFailed');
  const { reason, message } = outcome.type === 'done' ? { reason: 'SourceFailed', message: '' } : outcome;
  const answer: Answer = { ok: false, reason, message };
  // What is streamed has a protocol of its own, which has told its end already.
  if (!stream.destroyed && !stream.writableEnded) {
    writeLine(stream, answer);
    stream.end();
  }
}
