import { expect, it } from 'vitest';
import type { SourceMemory } from '../../../../src/agent/migration/source/facts.ts';
import { news } from '../../../../src/agent/migration/source/news.ts';

const WHOLE = 1_000_000;

/** When it is said how far a transfer is that takes `lengthMs`, looked at every 250 ms. */
function saidAt(lengthMs: number, untilMs: number): number[] {
  const memory: Pick<SourceMemory, 'written'> = {};
  const said: number[] = [];
  for (let now = 0; now <= untilMs; now += 250) {
    const transferredBytes = (WHOLE * now) / lengthMs;
    const progress = { transferredBytes, remainingBytes: WHOLE - transferredBytes };
    if (news(progress, memory, now, 'Synchronizing', 'Synchronizing') !== undefined) said.push(now);
  }
  return said;
}

it('a fast transfer is told of once a second: each word is a write that takes time from it', () => {
  expect(saidAt(5_000, 4_000)).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
});

it('a slow one is told of every five seconds, although it has not moved by a hundredth', () => {
  expect(saidAt(1_000_000, 11_000)).toEqual([0, 5_000, 10_000]);
});

it('another step is told of at once', () => {
  const memory = { written: { transferredBytes: 10, at: 0 } };
  expect(
    news({ transferredBytes: 10, remainingBytes: 5 }, memory, 1, 'Synchronizing', 'Copying'),
  ).toMatchObject({
    stage: 'Synchronizing',
    message: 'memory that changes is being sent',
  });
});
