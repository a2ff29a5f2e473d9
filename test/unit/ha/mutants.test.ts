/** Each check of the engine, the keeper and the agents is there for a reason: without it a random story breaks an invariant. */
import { describe, expect, it } from 'vitest';
import type { Flaw } from '../../../src/cli/simulate/cluster.ts';
import { randomScenario } from '../../../src/cli/simulate/random.ts';
import { runScenario } from '../../../src/cli/simulate/run.ts';

/** Whether one of the runs from this seed on breaks an invariant of safety. `npm run soak:ha` looks from seed 1 on. */
function isCaught(flaw: Flaw, first: number): boolean {
  return Array.from({ length: RUNS }, (_, index) => first + index).some((seed) => {
    const { violations } = runScenario(randomScenario(seed), { name: '', seed, flaw, stopAtViolation: true });
    return violations.some(({ invariant }) => invariant.startsWith('S'));
  });
}

const RUNS = 20;

const BROKEN: readonly (readonly [what: string, flaw: Flaw, seed: number])[] = [
  ['recovery without a proof', { engine: 'NoProof' }, 1],
  ['agents that do not check the epoch', { agent: 'EpochUnchecked' }, 670],
  ['a manager that acts without a majority', { engine: 'NoQuorum' }, 1],
  ['a wait that is not bound to one majority', { engine: 'WaitWithoutQuorum' }, 20],
  ['keepers that excuse at any age', { keeper: 'ExcuseAgeIgnored' }, 1],
  ['a wait by the times of the policy', { engine: 'TimingsOfPolicy' }, 90],
  ['a self-fence taken as proof for guests it does not list', { engine: 'GuardedListIgnored' }, 830],
];

describe('random stories notice', () => {
  it.each(BROKEN)(
    '%s',
    (_what, flaw, seed) => {
      expect(isCaught(flaw, seed)).toBe(true);
    },
    120_000,
  );
});

describe('random stories', () => {
  it('break nothing in the engine as it is', () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const { violations } = runScenario(randomScenario(seed), { name: '', seed });
      expect(violations, `seed ${seed}`).toEqual([]);
    }
  }, 300_000);

  it('are the same for the same seed', () => {
    const run = () => JSON.stringify(runScenario(randomScenario(7), { name: 'x', seed: 7 }));
    expect(run()).toBe(run());
  });
});
