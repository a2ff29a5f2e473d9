/** The volumes step: each volume of the plan exists, is at least as large as asked for, and is attached. Long copies go on beside the pass. */
import { done, type Outcome, outcomeOf, ReasonedError, waiting } from '../../base/outcome.ts';
import type {
  ArchivedVolume,
  Follower,
  StoragePool,
  VolumeFacts,
  VolumeRequest,
} from '../../drivers/storage/contract.ts';
import type { Jobs } from '../jobs/beside.ts';
import { inHalves, percentOf } from '../jobs/progress.ts';
import type { Ahead } from './ahead.ts';
import type { VolumePlan } from './kind.ts';
import { volumeId } from './remember.ts';
import type { GuestScope } from './scope.ts';

/** A full pool is looked at again after this: space comes back without telling. */
export const POOL_FULL_RECHECK_MS = 30_000;
/** How far a volume from an archive is is said again after this. */
const FOLLOW_MS = 10_000;

export type VolumeDeps = {
  pool(name: string): StoragePool | undefined;
  /** Size a disk made from an image has at least. */
  imageSize(name: string): number | undefined;
  /** A volume in a snapshot of this namespace, as its pool knows it. */
  kept(namespace: string, from: NonNullable<VolumePlan['from']>): { id: string; key: string } | undefined;
  /** Finds a disk in the archive of a Backup of the guest's namespace; one of another host is brought into this pool. Throws ReasonedError. */
  archived(
    restore: NonNullable<VolumePlan['restore']>,
    into: StoragePool,
    { follow, signal }: { follow: Follower; signal: AbortSignal },
  ): Promise<ArchivedVolume>;
  /** A volume was made or grew. */
  used(pool: string): void;
  jobs: Pick<Jobs, 'run' | 'begin'>;
  /** Has the guest looked at again. */
  enqueue(): void;
};

type Volume = {
  attachment: Awaited<ReturnType<StoragePool['attach']>>;
  sizeBytes: number;
  isShared?: boolean;
};

/**
 * Begins to make the volumes of a guest that is still being claimed and written down, hidden until it is decided that they may be shown:
 * then nothing of it is seen before this host and the cluster know of the guest, and its copies cost no time of their own.
 */
export function beginVolumes(deps: VolumeDeps, scope: GuestScope, idBase: number | undefined): Ahead {
  let decide: Ahead['decide'] = () => {};
  const permitted = new Promise<unknown>((resolve) => {
    decide = (known) => {
      known.catch(() => {});
      resolve(known);
    };
  });
  permitted.catch(() => {});
  for (const plan of scope.volumePlans) {
    const pool = deps.pool(plan.pool);
    if (pool === undefined) continue;
    const request = requestOf(deps, scope, plan, idBase);
    deps.jobs.begin(scope.handle.id, jobName(request), async (signal) =>
      pool.create(
        await withArchive(deps, scope, pool, { plan, request }, signal),
        signal,
        unlessAborted(permitted, signal),
      ),
    );
  }
  return { decide };
}

/** Rejects as soon as the signal fires. */
function unlessAborted(work: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const either = Promise.race([work, aborted]);
  either.catch(() => {});
  return either;
}

/** All volumes at the same time; the first that cannot be had decides. */
export async function claimVolumes(deps: VolumeDeps, scope: GuestScope): Promise<Outcome> {
  const outcomes = await Promise.all(scope.volumePlans.map((plan) => claimVolume(deps, scope, plan)));
  return outcomes.find(({ type }) => type !== 'done') ?? done;
}

async function claimVolume(deps: VolumeDeps, scope: GuestScope, plan: VolumePlan): Promise<Outcome> {
  const known = scope.memory.volumes.get(plan.name);
  if (known !== undefined && isLargeEnough(plan, known.sizeBytes)) return done;
  try {
    const volume = await makeVolume(deps, scope, plan);
    if (volume === undefined) return beingMade(scope, plan);
    scope.memory.percents.delete(plan.name);
    scope.memory.volumes.set(plan.name, volume);
    return done;
  } catch (error) {
    const outcome = outcomeOf(error, 'VolumeFailed');
    if (outcome.type === 'done' || outcome.reason !== 'PoolFull') return outcome;
    return waiting('PoolFull', outcome.message, POOL_FULL_RECHECK_MS);
  }
}

/** How far it is, as far as that is known. */
function beingMade({ memory }: GuestScope, { name, restore }: VolumePlan): Outcome {
  const percent = memory.percents.get(name);
  const far = percent === undefined ? '' : `, ${percent} %`;
  const afterMs = restore === undefined ? 600_000 : FOLLOW_MS;
  return waiting('VolumesCreating', `the volume ${name} is being made${far}`, afterMs);
}

/** Of a tree its size is a limit, which may become less. */
function isLargeEnough({ kind, sizeBytes = 0 }: VolumePlan, hasBytes: number): boolean {
  return kind === 'Disk' ? sizeBytes <= hasBytes : sizeBytes === hasBytes;
}

/** Undefined while a long creation goes on. */
async function makeVolume(
  deps: VolumeDeps,
  scope: GuestScope,
  plan: VolumePlan,
): Promise<Volume | undefined> {
  const { handle, observation, record } = scope;
  const pool = deps.pool(plan.pool);
  if (pool === undefined) throw new Error(`the pool ${plan.pool} has been closed`);
  const request = requestOf(deps, scope, plan, record?.idBase);
  const { id } = request;
  const existing = await pool.observe(id);
  const made = existing === undefined || existing.owner.guestUuid !== handle.uuid ? undefined : existing;
  const complete = (signal: AbortSignal) => withArchive(deps, scope, pool, { plan, request }, signal);
  const volume = made ?? (await createBeside(deps, handle.id, pool, { request, complete }));
  if (volume === undefined) return undefined;
  const grown = plan.kind === 'Disk' && plan.sizeBytes !== undefined && plan.sizeBytes > volume.sizeBytes;
  if (grown) await pool.resize(id, plan.sizeBytes ?? 0, { running: observation.state !== 'Off' });
  if (made === undefined || grown) deps.used(plan.pool);
  const attachment = await pool.attach(id);
  if (plan.kind === 'Filesystem') {
    if (plan.sizeBytes !== undefined && pool.limit === undefined) throw limitUnsupported(plan.pool);
    await pool.limit?.(id, plan.sizeBytes);
    return { attachment, sizeBytes: plan.sizeBytes ?? 0 };
  }
  const isShared = pool.capabilities.shared === true;
  return { attachment, sizeBytes: grown ? (plan.sizeBytes ?? 0) : volume.sizeBytes, isShared };
}

/** Of a pool whose trees share all its room. */
function limitUnsupported(pool: string): ReasonedError {
  const message = `the StoragePool ${pool} cannot limit the size of a root file system: use one of type Btrfs, or take size out of spec.rootfs`;
  return new ReasonedError('LimitUnsupported', message, { stalled: true });
}

async function createBeside(
  { jobs, enqueue }: VolumeDeps,
  group: string,
  pool: StoragePool,
  { request, complete }: { request: VolumeRequest; complete(signal: AbortSignal): Promise<VolumeRequest> },
): Promise<VolumeFacts | undefined> {
  const work = async (signal: AbortSignal) => pool.create(await complete(signal), signal);
  return (await jobs.run(group, jobName(request), work, enqueue))?.value;
}

/** What is restored is compared with its sums while the volume is made. */
async function withArchive(
  { archived }: VolumeDeps,
  { memory }: GuestScope,
  pool: StoragePool,
  { plan: { name, restore }, request }: { plan: VolumePlan; request: VolumeRequest },
  signal: AbortSignal,
): Promise<VolumeRequest> {
  if (restore === undefined) return request;
  const { follow, bringing } = inHalves((far) => {
    const percent = percentOf(far);
    if (percent !== undefined) memory.percents.set(name, percent);
  });
  return { ...request, follow, archived: await archived(restore, pool, { follow: bringing, signal }) };
}

function jobName({ id }: VolumeRequest): string {
  return `volume ${id}`;
}

function requestOf(
  { imageSize, kept }: Pick<VolumeDeps, 'imageSize' | 'kept'>,
  { handle, object, namespace }: GuestScope,
  { name, kind, format, image, from, ...plan }: VolumePlan,
  idBase: number | undefined,
): VolumeRequest {
  const source = from === undefined ? undefined : kept(namespace, from);
  const sizeBytes = plan.sizeBytes ?? (image === undefined ? undefined : imageSize(image));
  return {
    id: volumeId(handle.id, name),
    owner: { guestUuid: handle.uuid, guest: keyText(object), disk: name },
    kind,
    format,
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(image === undefined ? {} : { image }),
    ...(source === undefined ? {} : { from: { volume: source.id, snapshot: source.key } }),
    ...(idBase === undefined ? {} : { idBase }),
  };
}

function keyText({ metadata }: { metadata: { namespace?: string; name: string } }): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
