/** Bundles the roles of `vireo` into dist/, one chunk a role, so that a process loads only what its role needs. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import process from 'node:process';
import { build } from 'esbuild';

const { version } = JSON.parse(await readFile('package.json', 'utf8'));
await rm('dist', { recursive: true, force: true });
await mkdir('dist', { recursive: true });
await build({
  entryPoints: Object.fromEntries(
    ['vireo', 'launcher', 'keeper', 'summer'].map((entry) => [entry, `src/main/${entry}.ts`]),
  ),
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  // Used only for kubeconfigs with exec plug-ins.
  external: ['@kubernetes/client-node'],
  define: { VIREO_VERSION: JSON.stringify(version) },
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  logLevel: 'warning',
});
const entry = await readFile('dist/vireo.js', 'utf8');
await writeFile('dist/vireo.js', `#!/usr/bin/env node\n${entry.replace(/^#!.*\n/, '')}`);
await chmod('dist/vireo.js', 0o755);
process.stdout.write('built dist/vireo.js\n');
