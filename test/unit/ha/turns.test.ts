/** Who comes first when one round may not take all. */
import { describe, expect, it } from 'vitest';
import { createTurns } from '../../../src/cluster/ha/turns.ts';

const GUESTS = ['first', 'second', 'third', 'fourth'];
const order = (turns: ReturnType<typeof createTurns>) => turns.order(GUESTS, (id) => id);

/** One round that does so much, in vain for these. */
function round(turns: ReturnType<typeof createTurns>, most: number, inVain: readonly string[]): string[] {
  const done: string[] = [];
  for (const guest of order(turns)) {
    if (done.length === most) break;
    done.push(guest);
    if (inVain.includes(guest)) turns.pass(guest);
  }
  return done;
}

describe('turns', () => {
  it('keep the order for as long as something comes of it', () => {
    const turns = createTurns();
    expect(round(turns, 2, [])).toEqual(['first', 'second']);
    expect(round(turns, 2, [])).toEqual(['first', 'second']);
  });

  it('let the others go before those for which nothing could be done', () => {
    const turns = createTurns();
    expect(round(turns, 2, ['first', 'second'])).toEqual(['first', 'second']);
    expect(round(turns, 2, ['third', 'fourth'])).toEqual(['third', 'fourth']);
    expect(round(turns, 2, ['first'])).toEqual(['first', 'second']);
    expect(round(turns, 4, [])).toEqual(['second', 'third', 'fourth', 'first']);
  });

  it('give nobody two turns in one round', () => {
    const turns = createTurns();
    expect(round(turns, 9, GUESTS)).toEqual(GUESTS);
    expect(round(turns, 9, GUESTS)).toEqual(GUESTS);
  });
});
