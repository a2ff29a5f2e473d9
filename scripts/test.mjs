/** `npm test`: makes a fresh machine ready, then runs all checks and tests, the end-to-end ones on real QEMU and LXC included. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { build, checkNode, installPackages, installSystemPackages, root } from './setup.mjs';

const inCi = process.env.CI === 'true';

function step(title, argv) {
  process.stdout.write(`\n== ${title}\n`);
  const { status } = spawnSync(argv[0], argv.slice(1), { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`\n${title} failed\n`);
    process.exit(status ?? 1);
  }
}

try {
  checkNode();
  installPackages();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

step('check: format, lint, types', ['npm', 'run', '--silent', 'check:static']);
step('verify: generated files', ['npm', 'run', '--silent', 'verify']);
step('tests without root', ['npx', 'vitest', 'run', '--project', 'fast']);

if (process.getuid?.() === 0) {
  try {
    installSystemPackages({ forTests: true });
    build();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  step('end to end: real QEMU, LXC and kubectl', ['npx', 'tsx', 'test/e2e/run.ts']);
} else {
  process.stdout.write('\nThe end-to-end tests were not run: they drive QEMU and LXC and need root (sudo npm test).\n');
  if (inCi) process.exit(1);
}
