/** The image builder: picks the recipe for a source, gives it a work directory, and leaves nothing there but the finished file. */
import type { World } from '../../base/world.ts';
import type { BuiltImage, ImageBuilder, ImageSource } from './contract.ts';
import { buildDebootstrap } from './debootstrap.ts';
import { buildDemoDisk } from './demo-disk.ts';
import { file } from './entries.ts';
import { takeGivenFile } from './given-file.ts';
import { containerInit } from './init.ts';
import { imageBroken } from './inspect.ts';
import { writeTar } from './tar.ts';
import { missingTools, toolsMissing } from './tools.ts';
import { userland } from './userland.ts';

type BuildOptions = Parameters<ImageBuilder['build']>[1];

/** A builder whose downloads are kept in `cacheDirectory` (absolute; made when missing). */
export function createImageBuilder(options: { world: World; cacheDirectory: string }): ImageBuilder {
  const { world, cacheDirectory } = options;
  return {
    missing: (source) => missingTools(world, source),
    build: async (source, build) => {
      checkKind(source, build.kind);
      const missing = await missingTools(world, source);
      if (missing.length > 0) throw toolsMissing(missing);
      const workDirectory = `${build.directory}/work`;
      await world.files.removeTree(workDirectory);
      await world.files.makeDirectory(workDirectory);
      try {
        return {
          file: await make(world, source, { ...build, workDirectory, cacheDirectory }),
          kind: build.kind,
        };
      } finally {
        await world.files.removeTree(workDirectory);
      }
    },
  };
}

function checkKind(source: ImageSource, kind: BuiltImage['kind']): void {
  if (source.type === 'Path') return;
  const made = source.type === 'DemoDisk' ? 'Disk' : 'ContainerRootfs';
  if (made !== kind) throw imageBroken(`the source ${source.type} makes a ${made}, not a ${kind}`);
}

/** Recipes write into the work directory and the result is renamed out of it, so that a killed build leaves no half file beside it. */
async function make(
  world: World,
  source: ImageSource,
  options: BuildOptions & { workDirectory: string; cacheDirectory: string },
): Promise<string> {
  switch (source.type) {
    case 'Path': {
      const copy = await takeGivenFile(world, source.path, { ...options, directory: options.workDirectory });
      return moveOut(world, copy, options.directory);
    }
    case 'DemoDisk': {
      const output = `${options.workDirectory}/demo-disk.qcow2`;
      await buildDemoDisk(world, { ...options, output });
      return moveOut(world, output, options.directory);
    }
    case 'BusyboxRootfs':
      return buildBusyboxRootfs(world, options);
    case 'Debootstrap': {
      const output = `${options.workDirectory}/root.tar`;
      await buildDebootstrap(world, source, { ...options, output });
      return moveOut(world, output, options.directory);
    }
  }
}

async function buildBusyboxRootfs(world: World, options: BuildOptions): Promise<string> {
  options.progress('packing busybox');
  const entries = await userland(world, { issue: 'Vireo demo container.', signal: options.signal });
  const output = `${options.directory}/busybox-root.tar`;
  await world.files.writeAtomic(output, writeTar([...entries, file('sbin/init', containerInit(), 0o755)]));
  return output;
}

async function moveOut(world: World, path: string, directory: string): Promise<string> {
  const target = `${directory}/${path.split('/').at(-1)}`;
  await world.files.rename(path, target);
  return target;
}
