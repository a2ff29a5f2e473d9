/** An image builder that writes a description instead of an image: for simulated hosts, with latency and faults that can be set. */
import { createHash } from 'node:crypto';
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import type { ImageFacts } from '../storage/contract.ts';
import type { ImageBuilder, ImageSource } from './contract.ts';
import { imageBroken } from './inspect.ts';

export type SimulatedImageFaults = {
  /** Programs that this host pretends to lack. */
  missing?: readonly { program: string; package: string }[];
  /** What each build fails with. */
  failure?: { reason: string; message: string };
};

export type SimulatedImageBuilderOptions = {
  world: World;
  /** Time a build takes; default 20 ms. */
  latencyMs?: number;
  faults?: () => SimulatedImageFaults;
};

const diskBytes = 64 * 1024 * 1024;
const usedBytes = { Disk: 20 * 1024 * 1024, ContainerRootfs: 2 * 1024 * 1024 };

/** The simulated builder. */
export function createSimulatedImageBuilder(options: SimulatedImageBuilderOptions): ImageBuilder {
  const { world, latencyMs = 20, faults = (): SimulatedImageFaults => ({}) } = options;
  return {
    missing: async () => [...(faults().missing ?? [])],
    build: async (source, build) => {
      build.progress(`simulating ${source.type}`);
      await world.clock.sleep(latencyMs, build.signal);
      const { failure } = faults();
      if (failure !== undefined) throw new ReasonedError(failure.reason, failure.message);
      const file = `${build.directory}/simulated-image.json`;
      await world.files.writeAtomic(file, JSON.stringify(describe(source, build.kind)));
      return { file, kind: build.kind };
    },
  };
}

type SimulatedImage = Pick<ImageFacts, 'format' | 'virtualSizeBytes' | 'usedBytes'> & { source: ImageSource };

function describe(source: ImageSource, kind: ImageFacts['kind']): SimulatedImage {
  return kind === 'Disk'
    ? { source, format: 'qcow2', virtualSizeBytes: diskBytes, usedBytes: usedBytes.Disk }
    : {
        source,
        format: 'directory',
        virtualSizeBytes: usedBytes.ContainerRootfs,
        usedBytes: usedBytes.ContainerRootfs,
      };
}

/** What a simulated pool learns from the file; throws ReasonedError ImageBroken when it is no simulated image. */
export async function readSimulatedImage(
  files: Files,
  path: string,
): Promise<Pick<ImageFacts, 'format' | 'virtualSizeBytes' | 'usedBytes' | 'checksum'>> {
  const text = await files.readText(path);
  if (text === undefined) throw new ReasonedError('ImageMissing', `nothing was made at ${path}`);
  let image: Partial<SimulatedImage>;
  try {
    image = JSON.parse(text) as Partial<SimulatedImage>;
  } catch {
    throw imageBroken(`${path} is no simulated image`);
  }
  const { format, virtualSizeBytes, usedBytes: used } = image;
  if (format === undefined || virtualSizeBytes === undefined || used === undefined) {
    throw imageBroken(`${path} is no simulated image`);
  }
  const checksum = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { format, virtualSizeBytes, usedBytes: used, checksum };
}
