/** The distribution's kernel packages, resolved from its metapackages and fetched through apt only, into a cache that survives builds. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';

/** Debian's kernel for clouds is small; Ubuntu's nearest is the one for virtual machines; the general one comes last. */
const metapackages = [
  'linux-image-cloud-amd64',
  'linux-image-virtual',
  'linux-image-amd64',
  'linux-image-generic',
];

const downloadTimeoutMs = 900_000;
const leftoverMs = 3_600_000;

/**
 * Names of the packages with the newest kernel and its modules: Debian ships one, Ubuntu splits the modules off. Throws ReasonedError
 * SourceMissing when apt knows none.
 */
export async function kernelPackages(world: World, signal: AbortSignal): Promise<string[]> {
  for (const metapackage of metapackages) {
    const image = (await dependencies(world, metapackage, signal)).find((name) =>
      /^linux-image-(unsigned-)?\d/.test(name),
    );
    if (image === undefined) continue;
    const modules = (await dependencies(world, image, signal)).filter((name) =>
      /^linux-modules-\d/.test(name),
    );
    return [image, ...modules];
  }
  throw new ReasonedError(
    'SourceMissing',
    `apt offers none of the kernel packages ${metapackages.join(', ')}; run: apt-get update`,
  );
}

async function dependencies(world: World, name: string, signal: AbortSignal): Promise<string[]> {
  const result = await world.processes.run(['apt-cache', 'depends', '--important', name], { signal });
  signal.throwIfAborted();
  if (result.code !== 0) return [];
  return [...result.stdout.matchAll(/^ *\|?Depends: (\S+)$/gm)].map((match) => match[1] ?? '');
}

/** Paths of the package files, downloaded unless the cache has them. apt checks their signatures and sums. */
export async function downloadPackages(
  world: World,
  names: readonly string[],
  options: { cacheDirectory: string; signal: AbortSignal; progress(text: string): void },
): Promise<string[]> {
  await world.files.makeDirectory(options.cacheDirectory);
  await removeLeftovers(world, options.cacheDirectory);
  const paths: string[] = [];
  for (const name of names) paths.push(await download(world, name, options));
  return paths;
}

async function download(
  world: World,
  name: string,
  options: { cacheDirectory: string; signal: AbortSignal; progress(text: string): void },
): Promise<string> {
  const { cacheDirectory, signal } = options;
  const wanted = await describePackage(world, name, signal);
  const path = `${cacheDirectory}/${wanted.file}`;
  if ((await world.files.stat(path))?.sizeBytes === wanted.sizeBytes) return path;
  options.progress(`downloading ${name} (${Math.ceil(wanted.sizeBytes / 1e6)} MB)`);
  const partial = `${cacheDirectory}/partial-${Buffer.from(world.random.bytes(6)).toString('hex')}`;
  await world.files.makeDirectory(partial);
  try {
    await runOrFail(world, ['apt-get', 'download', '-q', name], {
      cwd: partial,
      timeoutMs: downloadTimeoutMs,
      signal,
    });
    await world.files.rename(`${partial}/${wanted.file}`, path);
  } finally {
    await world.files.removeTree(partial);
  }
  return path;
}

/** apt prints `'URI' file size hash`. */
async function describePackage(
  world: World,
  name: string,
  signal: AbortSignal,
): Promise<{ file: string; sizeBytes: number }> {
  const result = await runOrFail(world, ['apt-get', 'download', '--print-uris', '-q', name], { signal });
  const [, file, size] = /^'[^']*' ([^\s/]+) (\d+)/m.exec(result.stdout) ?? [];
  if (file === undefined || size === undefined) {
    throw new ReasonedError('SourceMissing', `apt cannot download ${name}; run: apt-get update`);
  }
  return { file, sizeBytes: Number(size) };
}

/** What a killed download left behind; a younger one may belong to a build beside this one. */
async function removeLeftovers(world: World, cacheDirectory: string): Promise<void> {
  for (const name of await world.files.list(cacheDirectory)) {
    const path = `${cacheDirectory}/${name}`;
    const stat = name.startsWith('partial-') ? await world.files.stat(path) : undefined;
    if (stat !== undefined && world.clock.now() - stat.modifiedMs > leftoverMs)
      await world.files.removeTree(path);
  }
}
