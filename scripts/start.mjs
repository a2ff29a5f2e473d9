/** `npm start`: makes a fresh machine ready, then hands over to `vireo quickstart`, which applies the samples and stays. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { build, checkNode, installPackages, installSystemPackages, root } from './setup.mjs';

const args = process.argv.slice(2);
const simulated = args.some((arg) => arg === '--simulate' || arg.startsWith('--simulate='));

const NEEDS_ROOT = `Vireo drives QEMU and LXC, and for that it needs root:
  - control groups and namespaces of guests, network interfaces, the NAT network (nftables, DHCP)
  - container root file systems with their own user ids
Run it as root (sudo npm start), or look around without root and without any hypervisor:
  npm start -- --simulate 3
`;

try {
  checkNode();
  if (!simulated && process.getuid?.() !== 0) {
    process.stderr.write(NEEDS_ROOT);
    process.exit(1);
  }
  installPackages();
  if (!simulated) installSystemPackages();
  build();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

const child = spawn(process.execPath, [join(root, 'dist/vireo.js'), 'quickstart', '--samples', join(root, 'manifests/samples'), '--data-dir', join(root, simulated ? '.vireo/simulated' : '.vireo/data'), ...args], {
  stdio: 'inherit',
});
// Ctrl-C reaches the child by the terminal; a plain SIGTERM is handed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 130);
});
