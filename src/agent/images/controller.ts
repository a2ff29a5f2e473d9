/**
 * Makes the Images whose pool this host has, one at a time and beside the queue, and makes them again when their source changes. It
 * writes nothing to the Image: how far they are goes into the Host's status.
 */
import { Image } from '../../api/kinds/image.ts';
import type { Stored } from '../../api/meta.ts';
import { type BackoffOptions, backoffDelay } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { done, type Outcome, outcomeOf } from '../../base/outcome.ts';
import type { Random } from '../../base/random.ts';
import type { Informer } from '../../client/contract.ts';
import type { ImageBuilder } from '../../drivers/image/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { CONTROLLERS } from '../access.ts';
import type { PoolTable } from '../pools/table.ts';
import { type Builds, createBuilds } from './builds.ts';
import { makeImage } from './make.ts';
import { imageSourceHash } from './source.ts';
import type { ImageState, ImageTable } from './table.ts';

const RETRY: BackoffOptions = { baseMs: 10_000, maxMs: 600_000 };

export type ImageControllerOptions = {
  imagePaths: readonly string[];
  files: Pick<Files, 'realPath'>;
  clock: Clock;
  random: Random;
  informer: Informer<Image>;
  pools: PoolTable;
  images: ImageTable;
  builder: ImageBuilder;
  /** False while the control plane is not believed: then nothing is removed. */
  mayRemove(): boolean;
  /** Has an image looked at again. */
  enqueue(name: string): void;
};

/** The controller of images on one host, and its builds for stopping them. */
export function imageController(options: ImageControllerOptions): {
  controller: Controller<Image>;
  builds: Builds;
} {
  const { informer, pools, images } = options;
  const builds = createBuilds();
  const poolUsable: Trigger = {
    subscribe: (enqueue) =>
      pools.usability.listen((pool) => {
        for (const { metadata } of informer.byIndex('pool', pool)) enqueue(metadata.name);
      }),
  };
  const controller: Controller<Image> = {
    name: CONTROLLERS.images,
    kind: Image,
    informer,
    writes: [],
    triggers: [poolUsable],
    reconcile: async ({ object }) => ({ outcome: await settleImage(options, builds, object) }),
    gone: async (name, _last, { client }) => {
      if (!options.mayRemove() || (await client.find(Image, { name })) !== undefined) return done;
      await builds.cancel(name);
      const pool = pools.get(images.get(name)?.pool ?? '');
      if (pool?.type === 'Open') await pool.driver.images.remove(name);
      images.set(name, undefined);
      return done;
    },
  };
  return { controller, builds };
}

async function settleImage(
  options: ImageControllerOptions,
  builds: Builds,
  { metadata: { name }, spec }: Stored<Image>,
): Promise<Outcome> {
  const { pools, images } = options;
  const base = { pool: spec.pool, kind: spec.kind, allowedNamespaces: spec.allowedNamespaces };
  const pool = pools.get(spec.pool);
  if (pool === undefined || pool.type === 'Elsewhere') {
    await builds.cancel(name);
    images.set(name, undefined);
    return done;
  }
  const pending = (reason: string, message: string): Outcome => {
    images.set(name, { ...base, state: 'Pending', reason, message });
    return done;
  };
  if (pool.type === 'Broken') return pending('StoragePoolNotReady', `the pool ${spec.pool}: ${pool.message}`);

  const hash = imageSourceHash(spec);
  const facts = (await pool.driver.images.list()).find((image) => image.name === name);
  if (facts?.sourceHash === hash) {
    builds.forget(name);
    images.set(name, { ...base, state: 'Available', facts });
    return done;
  }
  const build = builds.get(name, hash);
  if (build === undefined) {
    await builds.cancel(name);
    images.set(name, {
      ...base,
      state: 'Pending',
      reason: 'Queued',
      message: 'waits for its turn to be made',
    });
    const work = (signal: AbortSignal) => make(options, pool.driver, name, spec, { base, hash, signal });
    builds.start(name, hash, work, () => options.enqueue(name));
    return done;
  }
  return build.error === undefined ? done : retry(options, builds, name, hash, { base, error: build.error });
}

/** One build, with its progress in the table. */
async function make(
  { images, builder, imagePaths, files }: ImageControllerOptions,
  pool: Parameters<typeof makeImage>[0]['pool'],
  name: string,
  spec: Image['spec'],
  how: { base: Omit<ImageState, 'state'>; hash: string; signal: AbortSignal },
): Promise<void> {
  const report = (message: string) => images.set(name, { ...how.base, state: 'Building', message });
  report('begins');
  await makeImage({ pool, builder, imagePaths, files }, name, spec, {
    sourceHash: how.hash,
    signal: how.signal,
    progress: report,
  });
}

/** A failed build is shown, and made again after a while. */
function retry(
  { images, clock, random, enqueue }: ImageControllerOptions,
  builds: Builds,
  name: string,
  hash: string,
  { base, error }: { base: Omit<ImageState, 'state'>; error: unknown },
): Outcome {
  const outcome = outcomeOf(error, 'BuildFailed');
  const { reason, message } = outcome.type === 'done' ? { reason: 'BuildFailed', message: '' } : outcome;
  images.set(name, { ...base, state: 'Failed', reason, message });
  const delayMs = backoffDelay(builds.failures(name, hash) - 1, RETRY, random);
  builds.retryAfter(
    name,
    (run) => clock.after(delayMs, run),
    () => enqueue(name),
  );
  return done;
}
