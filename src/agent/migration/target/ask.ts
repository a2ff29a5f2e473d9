/** Asks the source of a move: for the guest's state, and for its volumes. */
import type { Duplex } from 'node:stream';
import { ReasonedError } from '../../../base/outcome.ts';
import { askPeer, SOURCE_SILENT } from '../../peers/ask.ts';
import type { Answer, Question } from '../question.ts';
import { checkState, type GuestState } from '../state.ts';
import type { MovePass, MoveWorld } from '../world.ts';

type Wanted = Question['want'];

async function ask<T>(
  { peers, guests }: MoveWorld,
  { migration, name }: MovePass,
  want: Wanted,
  signal: AbortSignal,
  use: (answer: Extract<Answer, { ok: true }>, stream: Duplex) => Promise<T>,
): Promise<T> {
  const { sourceHost = '', source, epoch } = migration?.status ?? {};
  if (source?.place === undefined)
    throw new ReasonedError(SOURCE_SILENT, 'the source has not said where it listens');
  const to = { host: sourceHost, place: source.place };
  const said = epoch === undefined ? {} : { epoch };
  const question: Question = { version: 1, migration: name, ...said, want };
  return askPeer<Answer, T>({ peers, clock: guests.world.clock, signal }, to, question, use);
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
