/** Sums up how far an Image is on the hosts that keep it, and keeps an image that guests name from going away. */
import { IN_USE_FINALIZER } from '../../api/cluster.ts';
import type { Host } from '../../api/kinds/host.ts';
import { Image, type ImageStatus } from '../../api/kinds/image.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { conditionsFor } from '../readiness.ts';

export type ImageSources = {
  images: Informer<Image>;
  pools: Informer<StoragePool>;
  /** Has the index `image`. */
  hosts: Informer<Host>;
  guestsUsing(image: string): string[];
};

type Report = NonNullable<NonNullable<Host['status']>['images']>[number] & { host: string };

/** Errors of an image that no retry mends: its source has to change. */
const NEEDS_THE_USER = new Set(['ImageBroken', 'SourceMissing', 'PathNotAllowed', 'ToolMissing']);

export function imageController(sources: ImageSources, triggers: readonly Trigger[]): Controller<Image> {
  return {
    name: 'images',
    kind: Image,
    informer: sources.images,
    writes: ['status'],
    finalizer: IN_USE_FINALIZER,
    triggers,
    reconcile: async ({ object: image, now }) => {
      const reports = reportsOf(image, sources);
      return { outcome: done, status: imageStatus(image, reports, readiness(image, reports, sources), now) };
    },
    remove: async ({ object: image }) => {
      const users = sources.guestsUsing(image.metadata.name);
      if (users.length === 0) return { outcome: done };
      return { outcome: waiting('InUse', `in use by ${users.slice(0, 5).join(', ')}`, 60_000) };
    },
  };
}

function reportsOf(image: Stored<Image>, { hosts }: ImageSources): Report[] {
  const name = image.metadata.name;
  return hosts
    .byIndex('image', name)
    .flatMap((host) =>
      (host.status?.images ?? [])
        .filter((report) => report.name === name)
        .map((report) => ({ ...report, host: host.metadata.name })),
    )
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
}

/** The whole status from the hosts' reports. Pure. */
export function imageStatus(
  image: Stored<Image>,
  reports: readonly Report[],
  outcome: Outcome,
  now: number,
): ImageStatus {
  const made = reports.find((report) => report.state === 'Available');
  return {
    ...(image.metadata.generation === undefined ? {} : { observedGeneration: image.metadata.generation }),
    conditions: conditionsFor(image, outcome, now),
    ...(made?.format === undefined ? {} : { format: made.format }),
    ...(made?.virtualSize === undefined ? {} : { virtualSize: made.virtualSize }),
    ...(made?.checksum === undefined ? {} : { checksum: made.checksum }),
    hosts: reports.map(({ host, state, message }) => ({
      name: host,
      state,
      ...(message === undefined ? {} : { message }),
    })),
  };
}

function readiness(image: Stored<Image>, reports: readonly Report[], { pools }: ImageSources): Outcome {
  if (pools.get(image.spec.pool) === undefined) {
    return waiting(
      'StoragePoolNotFound',
      `StoragePool "${image.spec.pool}" does not exist; the image goes on when it is created`,
    );
  }
  if (reports.length === 0) return waiting('NoHostHasImage', 'no host has begun to make this image yet');
  const failed = reports.find((report) => report.state === 'Failed');
  if (failed !== undefined) {
    const reason = failed.reason ?? 'BuildFailed';
    const message = `${failed.host}: ${failed.message ?? 'could not be made'}`;
    return NEEDS_THE_USER.has(reason) ? stalled(reason, message) : waiting(reason, message);
  }
  const unfinished = reports.find((report) => report.state !== 'Available');
  if (unfinished === undefined) return done;
  return waiting(unfinished.state, `${unfinished.host}: ${unfinished.message ?? 'is being made'}`);
}
