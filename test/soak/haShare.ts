/** One processor's share of `npm run soak:ha`: every `of`-th seed from the `share`-th on. Ends with 1 when one of them breaks something. */
import process from 'node:process';
import { randomScenario } from '../../src/cli/simulate/random.ts';
import { runScenario } from '../../src/cli/simulate/run.ts';

const [runs = 0, first = 1, share = 0, of = 1] = process.argv.slice(2).map(Number);

for (let count = share; count < runs; count += of) {
  const seed = first + count;
  const [worst] = runScenario(randomScenario(seed), { name: '', seed, endsSettled: true }).violations;
  if (worst !== undefined) {
    process.exitCode = 1;
    process.stderr.write(
      `seed ${seed} breaks ${worst.invariant}: ${worst.detail}: vireo simulate --random 1 --seed ${seed}\n`,
    );
  }
  if (Math.floor(count / of) % 1_000 === 999) process.stdout.write(`share ${share}: ${count + of} runs\n`);
}
