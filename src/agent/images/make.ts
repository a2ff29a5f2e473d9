/** Makes one image: checks the allow-list and the tools, builds in the pool's staging directory, publishes. */
import type { ImageSpec } from '../../api/kinds/image.ts';
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { ImageBuilder, ImageSource } from '../../drivers/image/contract.ts';
import type { StoragePool } from '../../drivers/storage/contract.ts';
import { isAllowedPath } from '../allowlist.ts';
import { imageSource } from './source.ts';

/** What making an image depends on. */
export type ImageTools = {
  pool: StoragePool;
  builder: ImageBuilder;
  imagePaths: readonly string[];
  files: Pick<Files, 'realPath'>;
};

/** Throws ReasonedError SourceUnknown, PathNotAllowed, ToolMissing, or what the builder says; nothing half-made is ever published. */
export async function makeImage(
  { pool, builder, imagePaths, files }: ImageTools,
  name: string,
  spec: ImageSpec,
  how: { sourceHash: string; signal: AbortSignal; progress(text: string): void },
): Promise<void> {
  const source = imageSource(spec);
  if (source === undefined) {
    throw new ReasonedError('SourceUnknown', 'the image names no source this version knows', {
      stalled: true,
    });
  }
  if (source.type === 'Path' && !(await isAllowedPath(files, source.path, imagePaths))) {
    const message = `this host does not allow images from ${source.path}: add it to imagePaths in its agent.yaml`;
    throw new ReasonedError('PathNotAllowed', message, { stalled: true });
  }
  await requireTools(builder, source);
  const directory = await pool.images.stage(name);
  const { signal, progress, sourceHash } = how;
  const built = await builder.build(source, { directory, kind: spec.kind, signal, progress });
  signal.throwIfAborted();
  await pool.images.publish({ name, kind: built.kind, sourceHash, file: built.file });
}

async function requireTools(builder: ImageBuilder, source: ImageSource): Promise<void> {
  const missing = await builder.missing(source);
  if (missing.length === 0) return;
  const programs = missing.map(({ program }) => program).join(', ');
  const packages = [...new Set(missing.map(({ package: name }) => name))].join(' ');
  throw new ReasonedError('ToolMissing', `${programs} is missing on this host: apt-get install ${packages}`, {
    stalled: true,
  });
}
