/** `npm run soak:hosts [-- TIMES]`: the stories of several hosts again and again, until one fails. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { checkout } from '../e2e/harness/commands.ts';

const STORIES = ['test/e2e/hosts.test.ts', 'test/e2e/migration.test.ts'];
const times = Number(process.argv[2] ?? 20);

for (let round = 1; round <= times; round += 1) {
  process.stdout.write(`\n== round ${round} of ${times}\n`);
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'e2e', ...STORIES], {
    cwd: checkout,
    stdio: 'inherit',
  });
  if (status === 0) continue;
  process.stderr.write(`\nround ${round} of ${times} failed\n`);
  process.exit(1);
}
process.stdout.write(`\n${times} rounds without a failure\n`);
