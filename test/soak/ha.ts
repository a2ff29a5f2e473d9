/**
 * `npm run soak:ha [-- RUNS [FIRST]]`: each broken part until a random story notices it, then random stories of the HA engine on all processors,
 * telling of those that break an invariant.
 */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { build } from 'esbuild';
import { randomScenario } from '../../src/cli/simulate/random.ts';
import { BROKEN, shows } from '../unit/ha/broken.ts';
import { readStory } from '../unit/ha/stories.ts';

const MOST_FOR_A_FLAW = 1_000;
const runs = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);

function noticeFlaws(): boolean {
  const left = BROKEN.filter(({ what, flaw, notices, story, byChance = false }) => {
    const seeds = Array.from({ length: MOST_FOR_A_FLAW }, (_, index) => index + 1);
    const seed = seeds.find((one) => shows(notices, randomScenario(one), one, flaw));
    // Random stories end with everything repaired: what a host that stays dead would show only a written story can.
    const isTold =
      seed === undefined && !byChance && story !== undefined && shows(notices, readStory(story), 1, flaw);
    const by = seed === undefined ? (isTold ? 'by its story alone' : 'NOT NOTICED') : `run ${seed}`;
    process.stdout.write(`${what}: ${by}\n`);
    return seed === undefined && !isTold;
  });
  return left.length === 0;
}

/** In one file and without the names a loader gives to every function: a fifth more runs in the same time. */
async function bundle(directory: string): Promise<string> {
  const outfile = join(directory, 'share.mjs');
  const entryPoints = [join(import.meta.dirname, 'haShare.ts')];
  await build({ entryPoints, outfile, bundle: true, format: 'esm', platform: 'node', logLevel: 'warning' });
  return outfile;
}

async function runAll(share: string): Promise<void> {
  const of = availableParallelism();
  const startedAt = Date.now();
  const ends = Array.from({ length: of }, (_, index) => {
    const child = fork(share, [runs, first, index, of].map(String), { execArgv: [] });
    return new Promise<number | null>((resolve) => child.once('exit', resolve));
  });
  const isWhole = (await Promise.all(ends)).every((code) => code === 0);
  const seconds = (Date.now() - startedAt) / 1_000;
  process.stdout.write(
    `${runs} random runs from seed ${first} in ${(seconds / 60).toFixed(1)} min, ${(runs / seconds).toFixed(0)} a second: ${isWhole ? 'no invariant broken' : 'BROKEN'}\n`,
  );
  if (!isWhole) process.exitCode = 1;
}

if (!noticeFlaws()) process.exitCode = 1;
const directory = await mkdtemp(join(tmpdir(), 'vireo-soak-'));
try {
  await runAll(await bundle(directory));
} finally {
  await rm(directory, { recursive: true, force: true });
}
