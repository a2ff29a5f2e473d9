/** `npm test`: makes a fresh machine ready, then runs all checks and tests, the end-to-end ones on real QEMU and LXC included. */
import { spawn } from 'node:child_process';
import process from 'node:process';
import { build, checkNode, installPackages, installSystemPackages, root } from './setup.mjs';

const inCi = process.env.CI === 'true';
const isRoot = process.getuid?.() === 0;

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function prepare(work) {
  try {
    work();
  } catch (error) {
    fail(error.message);
  }
}

/** Begins a step; what is given back resolves when it has passed. */
function begin(title, argv) {
  process.stdout.write(`\n== ${title}\n`);
  const child = spawn(argv[0], argv.slice(1), { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.once('error', (error) => fail(`\n${title} failed: ${error.message}`));
    child.once('exit', (status) => (status === 0 ? resolve() : fail(`\n${title} failed`)));
  });
}

prepare(() => {
  checkNode();
  installPackages();
});

const checked = begin('check: format, lint, types', ['npm', 'run', '--silent', 'check:static']);
// Meanwhile: packages come over the network and are written to the disk, the checks need processors.
if (isRoot) prepare(() => installSystemPackages({ forTests: true }));
await checked;
await begin('verify: generated files', ['npm', 'run', '--silent', 'verify']);
await begin('tests without root', ['npx', 'vitest', 'run', '--project', 'fast']);

if (isRoot) {
  prepare(build);
  await begin('end to end: real QEMU, LXC and kubectl', ['npx', 'tsx', 'test/e2e/run.ts']);
} else {
  process.stdout.write('\nThe end-to-end tests were not run: they drive QEMU and LXC and need root (sudo npm test).\n');
  if (inCi) process.exit(1);
}
