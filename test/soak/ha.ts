/** `npm run soak:ha [-- RUNS]`: random stories of the HA engine until one breaks an invariant; broken engines from seed 1 on. */
import process from 'node:process';
import type { Flaw } from '../../src/cli/simulate/cluster.ts';
import { randomScenario } from '../../src/cli/simulate/random.ts';
import { runScenario } from '../../src/cli/simulate/run.ts';

const runs = Number(process.argv[2] ?? 100_000);
const FLAWS: readonly Flaw[] = [
  { engine: 'NoProof' },
  { agent: 'EpochUnchecked' },
  { engine: 'NoQuorum' },
  { engine: 'WaitWithoutQuorum' },
  { keeper: 'ExcuseAgeIgnored' },
  { engine: 'TimingsOfPolicy' },
  { engine: 'GuardedListIgnored' },
];
const MOST_FOR_A_FLAW = 1_000;

function firstBroken(most: number, flaw?: Flaw): number | undefined {
  for (let seed = 1; seed <= most; seed += 1) {
    const options = { name: '', seed, ...(flaw === undefined ? {} : { flaw, stopAtViolation: true }) };
    const { violations } = runScenario(randomScenario(seed), options);
    if (violations.some(({ invariant }) => flaw === undefined || invariant.startsWith('S'))) return seed;
    if (seed % 1_000 === 0) process.stdout.write(`${seed} runs\n`);
  }
  return undefined;
}

for (const flaw of FLAWS) {
  const seed = firstBroken(MOST_FOR_A_FLAW, flaw);
  process.stdout.write(`${JSON.stringify(flaw)}: ${seed === undefined ? 'NOT NOTICED' : `run ${seed}`}\n`);
  if (seed === undefined) process.exitCode = 1;
}
const broken = firstBroken(runs);
if (broken === undefined) process.stdout.write(`${runs} random runs, no invariant broken\n`);
else {
  process.stderr.write(`seed ${broken} breaks an invariant: vireo simulate --random 1 --seed ${broken}\n`);
  process.exitCode = 1;
}
