/** Whether the pools and images a guest names can be used: what is missing is named, and the guest goes on by itself when it appears. */
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import { isAllowedNamespace } from '../allowlist.ts';
import type { ImageState } from '../images/table.ts';
import type { PoolState } from '../pools/table.ts';
import type { VolumePlan } from './kind.ts';

/** After so long without a change a missing reference is looked for again; its appearance is a trigger. */
export const REFERENCE_RECHECK_MS = 300_000;

/** `elsewhere`: the archive is to be brought from another host; with why that cannot be at the moment, if so. */
type ReferredBackup = {
  pool: string;
  phase: string | undefined;
  elsewhere?: { away?: { reason: string; message: string } };
};

export type ReferenceFacts = {
  namespace: string;
  /** Volumes that exist need their pool, and no image any more. */
  exists(plan: VolumePlan): Promise<boolean>;
  pool(name: string): PoolState | undefined;
  isPoolKnown(name: string): boolean;
  image(name: string): ImageState | undefined;
  /** Pool of a disk in a Snapshot of this namespace that stands on this host. */
  kept(from: NonNullable<VolumePlan['from']>): { pool: string } | undefined;
  /** Pool and end of a Backup of this namespace. */
  backup(name: string): Promise<ReferredBackup | undefined>;
  /** The Image object's pool, when there is such an object. */
  imagePool(name: string): string | undefined;
};

/** The first reference that cannot be used decides. */
export async function checkReferences(facts: ReferenceFacts, plans: readonly VolumePlan[]): Promise<Outcome> {
  for (const plan of plans) {
    const pool = checkPool(facts, plan);
    if (pool.type !== 'done') return pool;
    const isBlank = plan.image === undefined && plan.from === undefined && plan.restore === undefined;
    if (isBlank) continue;
    // A Backup may have to be asked for: not by each pass of a guest that has its volumes.
    if (plan.restore !== undefined && (await facts.exists(plan))) continue;
    const source =
      plan.restore !== undefined
        ? await checkBackup(facts, plan.restore)
        : plan.from === undefined
          ? checkImage(facts, plan, plan.image ?? '')
          : checkSnapshot(facts, plan, plan.from);
    if (source.type !== 'done' && !(await facts.exists(plan))) return source;
  }
  return done;
}

function missing(reason: string, message: string): Outcome {
  return waiting(reason, message, REFERENCE_RECHECK_MS);
}

function checkPool(facts: ReferenceFacts, { pool: name, name: volume }: VolumePlan): Outcome {
  const pool = facts.pool(name);
  if (pool === undefined) {
    return facts.isPoolKnown(name)
      ? missing('StoragePoolNotReady', `the StoragePool ${name} of ${volume} is being opened on this host`)
      : missing('StoragePoolNotFound', `there is no StoragePool ${name}, which ${volume} names: create it`);
  }
  if (pool.type === 'Elsewhere') {
    return missing(
      'StoragePoolNotOnHost',
      `the StoragePool ${name} of ${volume} is not on this host: add the host to spec.hosts`,
    );
  }
  if (pool.type === 'Broken') return missing(pool.reason, `the StoragePool ${name}: ${pool.message}`);
  if (!isAllowedNamespace(pool.allowedNamespaces, facts.namespace))
    return notAllowed('StoragePool', name, facts);
  if (!pool.facts.healthy) {
    const message = `the StoragePool ${name} is not healthy here: ${pool.facts.message ?? 'look at the Host'}`;
    return missing('StoragePoolNotReady', message);
  }
  return done;
}

function checkImage(facts: ReferenceFacts, plan: VolumePlan, name: string): Outcome {
  const home = facts.imagePool(name);
  if (home === undefined) {
    return missing('ImageNotFound', `there is no Image ${name}, which ${plan.name} names: create it`);
  }
  const wanted = plan.kind === 'Disk' ? 'Disk' : 'ContainerRootfs';
  const image = facts.image(name);
  if (image === undefined || image.state !== 'Available') {
    return missing('ImageNotReady', `the Image ${name} is not available on this host yet${because(image)}`);
  }
  if (!isAllowedNamespace(image.allowedNamespaces, facts.namespace)) return notAllowed('Image', name, facts);
  if (image.kind !== wanted) {
    return stalled(
      'ImageKindMismatch',
      `the Image ${name} is of kind ${image.kind}; ${plan.name} needs a ${wanted}`,
    );
  }
  if (home !== plan.pool) {
    const message = `the Image ${name} lies in the pool ${home} and ${plan.name} in ${plan.pool}: they must lie in one pool`;
    return stalled('ImageInOtherPool', message);
  }
  return done;
}

/** A Snapshot that becomes ready tells no other guest. */
const SNAPSHOT_RECHECK_MS = 5_000;

function checkSnapshot(
  facts: ReferenceFacts,
  { name, pool }: VolumePlan,
  from: NonNullable<VolumePlan['from']>,
): Outcome {
  const kept = facts.kept(from);
  if (kept === undefined) {
    const message = `no Snapshot ${from.snapshot} with the disk ${from.disk}, which ${name} names, stands on this host`;
    return waiting('SnapshotNotReady', message, SNAPSHOT_RECHECK_MS);
  }
  if (kept.pool === pool) return done;
  const message = `the Snapshot ${from.snapshot} lies in the pool ${kept.pool} and ${name} in ${pool}: they must lie in one pool`;
  return stalled('SnapshotInOtherPool', message);
}

async function checkBackup(
  facts: ReferenceFacts,
  { backup: name }: NonNullable<VolumePlan['restore']>,
): Promise<Outcome> {
  const backup = await facts.backup(name);
  if (backup?.phase !== 'Succeeded')
    return waiting('BackupNotReady', `no Backup ${name} is there and made`, SNAPSHOT_RECHECK_MS);
  const { elsewhere } = backup;
  if (elsewhere?.away !== undefined)
    return waiting(elsewhere.away.reason, elsewhere.away.message, SNAPSHOT_RECHECK_MS);
  if (elsewhere !== undefined) return done;
  if (facts.pool(backup.pool)?.type === 'Open') return done;
  const message = `the StoragePool ${backup.pool} with the archive of ${name} cannot be used at the moment`;
  return waiting('StoragePoolNotReady', message, SNAPSHOT_RECHECK_MS);
}

/** Only a failure is told: the progress of a build would make a write of each step. */
function because(image: ImageState | undefined): string {
  return image?.state === 'Failed' ? `: ${image.reason ?? ''} ${image.message ?? ''}` : '';
}

function notAllowed(kind: string, name: string, { namespace }: ReferenceFacts): Outcome {
  const message = `the ${kind} ${name} is not for the namespace ${namespace}: add it to allowedNamespaces`;
  return waiting('NotAllowedInNamespace', message, REFERENCE_RECHECK_MS);
}
