/** Asks the source of a move: for the guest's state, and for its volumes. */
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import { type Answer, type Place, type Question, readLine, writeLine } from '../peers.ts';
import { checkState, type GuestState } from '../state.ts';
import type { MovePass, MoveWorld } from '../world.ts';

/** A source that does not answer in this time is away; silence later on the connection itself ends. */
const ANSWER_MS = 20_000;

/** Nothing was heard of it: its agent may be on its way back. */
export const SOURCE_SILENT = 'SourceSilent';

type Wanted = Question['want'];

async function ask<T>(
  world: MoveWorld,
  { migration, name }: MovePass,
  want: Wanted,
  signal: AbortSignal,
  use: (answer: Extract<Answer, { ok: true }>, stream: Duplex) => Promise<T>,
): Promise<T> {
  const { sourceHost = '', source, epoch } = migration?.status ?? {};
  if (source?.place === undefined)
    throw new ReasonedError(SOURCE_SILENT, 'the source has not said where it listens');
  const stream = await world.peers.connect(sourceHost, source.place satisfies Place, signal);
  // A stream that breaks is seen by whoever reads or writes it.
  stream.on('error', () => undefined);
  const hangUp = () => void stream.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  const cancel = world.guests.world.clock.after(ANSWER_MS, hangUp);
  try {
    writeLine(stream, { version: 1, migration: name, ...(epoch === undefined ? {} : { epoch }), want });
    const answer = await readLine<Answer>(stream).catch((error: unknown) => {
      throw new ReasonedError(SOURCE_SILENT, `the source does not answer: ${error}`);
    });
    cancel();
    if (!answer.ok) throw new ReasonedError(answer.reason, answer.message);
    return await use(answer, stream);
  } finally {
    cancel();
    signal.removeEventListener('abort', hangUp);
    stream.destroy();
  }
}

export function askState(world: MoveWorld, pass: MovePass, signal: AbortSignal): Promise<GuestState> {
  return ask(world, pass, { type: 'State' }, signal, async ({ state }) => checkState(state));
}

/** `receive` reads the volume's data from the stream. */
export function askVolume(
  world: MoveWorld,
  pass: MovePass,
  want: Omit<Extract<Wanted, { type: 'Volume' }>, 'type'>,
  signal: AbortSignal,
  receive: (stream: Duplex) => Promise<void>,
): Promise<void> {
  return ask(world, pass, { type: 'Volume', ...want }, signal, (_answer, stream) => receive(stream));
}
