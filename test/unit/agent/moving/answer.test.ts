/** Who is answered by the source of a move, and who is not. */
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Answer, Question } from '../../../../src/agent/migration/question.ts';
import { answerTarget } from '../../../../src/agent/migration/source/answer.ts';
import type { MoveWorld } from '../../../../src/agent/migration/world.ts';
import { type Answerer, answerPeer } from '../../../../src/agent/peers/answer.ts';
import { readLine, writeLine } from '../../../../src/agent/peers/peers.ts';
import type { GuestRecord } from '../../../../src/agent/record.ts';

const migration = { uid: 'm-1', namespace: 'default', name: 'away' };
const question: Question = { version: 1, migration, epoch: 4, want: { type: 'State' } };
const leaving = { migration, type: 'Offline', to: 'h2', epoch: 4, since: 0 };

async function ask(
  said: Partial<Question>,
  { peer = 'h2', outgoing = {} }: { peer?: string; outgoing?: object } = {},
): Promise<Answer> {
  const record = { id: 'web', kind: 'VirtualMachine', run: {}, volumes: [], nics: [] };
  const all = () => [{ ...record, outgoing: { ...leaving, ...outgoing } }] as unknown as GuestRecord[];
  const guests = { records: { all }, stateDirectory: '/state' };
  const world = { guests, mover: () => ({}) } as unknown as MoveWorld;
  const migration: Answerer = (...asked) => answerTarget(world, ...asked);
  const [ours, theirs] = duplexPair();
  writeLine(theirs, { ...question, ...said });
  const [answer] = await Promise.all([
    readLine<Answer>(theirs),
    answerPeer({ migration }, peer, ours, new AbortController().signal),
  ]);
  theirs.destroy();
  return answer;
}

describe('the source of a move', () => {
  it('tells its target of the guest, also one that does not say of which stay', async () => {
    expect(await ask({})).toMatchObject({ ok: true, state: { version: 1 } });
    const { epoch: _, ...earlier } = question;
    expect(await ask({ ...earlier, epoch: undefined } as unknown as Question)).toMatchObject({ ok: true });
  });

  it.each([
    ['another host', {}, { peer: 'h3' }],
    ['another move', { migration: { ...migration, uid: 'm-2' } }, {}],
    ['the same move of an earlier stay', { epoch: 3 }, {}],
    ['one that was given up', {}, { outgoing: { givenUp: { phase: 'Cancelled' } } }],
    ['one that was handed over', {}, { outgoing: { handOver: 'Asked' } }],
  ])('tells nothing to %s', async (_who, said, facts) => {
    expect(await ask(said, facts)).toMatchObject({ ok: false, reason: 'NotMoving' });
  });
});
