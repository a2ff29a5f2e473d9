/** Each check of the engine, the keeper and the agents is there for a reason: without it a story breaks an invariant. */
import { describe, expect, it } from 'vitest';
import { randomScenario } from '../../../src/cli/simulate/random.ts';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import { BROKEN, shows } from './broken.ts';
import { readStory } from './stories.ts';

const RUNS = 20;

describe('stories notice', () => {
  it.each(BROKEN)(
    '$what',
    ({ flaw, notices, seed, story }) => {
      const seeds = Array.from({ length: RUNS }, (_, index) => seed + index);
      const isNoticed =
        story === undefined
          ? seeds.some((one) => shows(notices, randomScenario(one), one, flaw))
          : shows(notices, readStory(story), 1, flaw);
      expect(isNoticed).toBe(true);
    },
    120_000,
  );
});

describe('random stories', () => {
  it('break nothing in the engine as it is', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const { violations } = runScenario(randomScenario(seed), { name: '', seed, endsSettled: true });
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  }, 300_000);

  it('are the same for the same seed', () => {
    const run = () => JSON.stringify(runScenario(randomScenario(7), { name: 'x', seed: 7 }));
    expect(run()).toBe(run());
  });
});
