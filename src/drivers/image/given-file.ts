/** An image from a file of this host: copied first, then the copy is checked, so that nobody can change it in between. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';
import type { BuiltImage } from './contract.ts';
import { imageBroken, inspectDisk, inspectRootfsArchive } from './inspect.ts';

const copyTimeoutMs = 3_600_000;
const archiveName = /\.(tar|tar\.gz|tgz|tar\.zst|tar\.xz)$/;

/** Copies and checks. Throws ReasonedError SourceMissing or ImageBroken; the bad copy is removed. */
export async function takeGivenFile(
  world: World,
  path: string,
  options: { directory: string; kind: BuiltImage['kind']; signal: AbortSignal; progress(text: string): void },
): Promise<string> {
  const stat = await world.files.stat((await world.files.realPath(path)) ?? path);
  if (stat === undefined) throw new ReasonedError('SourceMissing', `there is no file ${path} on this host`);
  if (stat.kind !== 'File') throw imageBroken(`${path} is no regular file`);
  const extension = options.kind === 'Disk' ? '.disk' : archiveName.exec(path)?.[0];
  if (extension === undefined) throw imageBroken(`${path} is no tar, tar.gz, tar.xz or tar.zst archive`);
  const copy = `${options.directory}/image${extension}`;
  options.progress(`copying ${path}`);
  try {
    await runOrFail(world, ['cp', '--reflink=auto', '--sparse=always', '--', path, copy], {
      signal: options.signal,
      timeoutMs: copyTimeoutMs,
    });
    options.progress('checking the copy');
    if (options.kind === 'Disk') await inspectDisk(world, copy, options.signal);
    else await inspectRootfsArchive(world, copy, options.signal);
  } catch (error) {
    await world.files.remove(copy);
    throw error;
  }
  return copy;
}
