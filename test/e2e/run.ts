/** `npm run e2e [-- FILE...]`: end to end on this machine. `KUBECONFIG=... npm run e2e -- --cluster`: on the API server of the kubeconfig. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { checkout } from './harness/commands.ts';

const given = process.argv.slice(2);
const files = given.filter((argument) => argument !== '--cluster');
const projects = given.includes('--cluster') ? ['cluster'] : ['e2e', 'labs'];
const argv = ['vitest', 'run', ...projects.map((name) => `--project=${name}`), ...files];
process.exitCode = spawnSync('npx', argv, { cwd: checkout, stdio: 'inherit' }).status ?? 1;
