/**
 * `npm run soak:ha [-- RUNS [FIRST]]`: random stories of the HA engine on all processors until one breaks an invariant, and each broken engine until
 * a random story notices it.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { randomScenario } from '../../src/cli/simulate/random.ts';
import { runScenario } from '../../src/cli/simulate/run.ts';
import { BROKEN, shows } from '../unit/ha/broken.ts';

const SHARE = 'VIREO_SOAK_SHARE';
const MOST_FOR_A_FLAW = 1_000;
const runs = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);

/** Every `of`-th seed, from the `share`-th on; the number of those that break something. */
function runShare(share: number, of: number): number {
  let broken = 0;
  for (let count = share; count < runs; count += of) {
    const seed = first + count;
    const { violations } = runScenario(randomScenario(seed), { name: '', seed, endsSettled: true });
    const [worst] = violations;
    if (worst !== undefined) {
      broken += 1;
      process.stderr.write(
        `seed ${seed} breaks ${worst.invariant}: ${worst.detail}: vireo simulate --random 1 --seed ${seed}\n`,
      );
    }
    if (Math.floor(count / of) % 1_000 === 999) process.stdout.write(`share ${share}: ${count + of} runs\n`);
  }
  return broken;
}

function noticeFlaws(): boolean {
  const left = BROKEN.filter(({ what, flaw, notices, story }) => {
    if (story !== undefined) return false;
    const seeds = Array.from({ length: MOST_FOR_A_FLAW }, (_, index) => index + 1);
    const seed = seeds.find((one) => shows(notices, randomScenario(one), one, flaw));
    process.stdout.write(`${what}: ${seed === undefined ? 'NOT NOTICED' : `run ${seed}`}\n`);
    return seed === undefined;
  });
  return left.length === 0;
}

async function runAll(): Promise<void> {
  const of = availableParallelism();
  const startedAt = Date.now();
  const shares = Array.from({ length: of }, (_, share) => {
    const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
      env: { ...process.env, [SHARE]: `${share}/${of}` },
    });
    return new Promise<number | null>((resolve) => child.once('exit', resolve));
  });
  const codes = await Promise.all(shares);
  const isWhole = codes.every((code) => code === 0);
  const minutes = ((Date.now() - startedAt) / 60_000).toFixed(1);
  process.stdout.write(
    `${runs} random runs from seed ${first} in ${minutes} min: ${isWhole ? 'no invariant broken' : 'BROKEN'}\n`,
  );
  if (!isWhole) process.exitCode = 1;
}

const own = process.env[SHARE]?.split('/').map(Number);
if (own !== undefined) process.exitCode = runShare(own[0] ?? 0, own[1] ?? 1) === 0 ? 0 : 1;
else {
  if (!noticeFlaws()) process.exitCode = 1;
  await runAll();
}
