/** Gathers what a pass over one guest starts from: who it is, what is recorded, what stands on the host. */
import { join } from 'node:path';
import { guestId, guestUuid } from '../../api/identity.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, outcomeOf } from '../../base/outcome.ts';
import type { GuestHandle } from '../../drivers/hypervisor/contract.ts';
import type { Pass } from '../../runtime/contract.ts';
import type { GuestRecord } from '../record.ts';
import { guestsDirectory } from '../records.ts';
import { stayingSnapshots } from '../snapshots/staying.ts';
import type { GuestKind, GuestObject } from './kind.ts';
import type { GuestMemory, GuestScope, Scope } from './scope.ts';
import type { GuestWorld } from './world.ts';

/** The handle by which drivers know a guest. */
export function handleOf(
  stateDirectory: string,
  guest: Pick<GuestRecord, 'id' | 'uuid' | 'namespace' | 'name'>,
): GuestHandle {
  const { id, uuid, namespace, name } = guest;
  return { id, uuid, name: `${namespace}/${name}`, directory: join(guestsDirectory(stateDirectory), id) };
}

/** The guest of an object; undefined while the cluster's id is unknown: without it a guest has no identity. */
export function identify<T extends GuestObject, Request, Hardware>(
  world: Pick<GuestWorld, 'controlPlane' | 'stateDirectory'>,
  kind: GuestKind<T, Request, Hardware>,
  { metadata }: Pick<T, 'metadata'>,
): GuestHandle | undefined {
  const trust = world.controlPlane.trust();
  if (trust.id === undefined) return undefined;
  const namespace = metadata.namespace ?? 'default';
  const kindName = kind.kind.kind === 'Container' ? 'Container' : 'VirtualMachine';
  const uuid = guestUuid(trust.id, { kind: kindName, namespace, name: metadata.name });
  return handleOf(world.stateDirectory, { id: guestId(uuid), uuid, namespace, name: metadata.name });
}

/** Everything a pass starts from. */
export async function gather<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  memoryOf: (id: string) => GuestMemory,
  handle: GuestHandle,
  pass: Pick<Pass<T>, 'object' | 'now' | 'signal' | 'event'>,
): Promise<Scope<T, Request, Hardware>> {
  const { object, now, signal } = pass;
  const namespace = object.metadata.namespace ?? 'default';
  const { uuid } = handle;
  const record = world.records.get(handle.id);
  const memory = memoryOf(handle.id);
  // One that was off when it was announced is off still: nothing but a pass starts it.
  const observation = memory.announced?.observation ?? (await kind.driver.observe(handle));
  world.presence.setRunning(handle.id, observation.state !== 'Off');
  const { elsewhere, takenAfter } = await whereElse(world, record, { uuid, object, signal });
  const made = poolsByVolume(world, object, record);
  // A volume stays in the pool where it was made, or where a move has put it.
  const volumePlans = kind
    .volumes(object.spec)
    .map((plan) => ({ ...plan, pool: made.get(plan.name) ?? plan.pool }));
  return {
    kind,
    object,
    namespace,
    key: keyOf(object.metadata),
    handle,
    host: world.host,
    now,
    signal,
    facts: world.hypervisorFacts(kind.kind.kind),
    volumePlans,
    immovablePools: [...new Set(volumePlans.map(({ pool }) => pool))].filter((name) =>
      isImmovable(world, name),
    ),
    stayingSnapshots: record === undefined ? [] : stayingSnapshots(record, (name) => isShared(world, name)),
    nicWishes: kind.nics(object.spec, uuid),
    elsewhere,
    takenAfter,
    hostEnds: world.ending.isHoldingOff(handle.id),
    memory,
    event: pass.event,
    observation,
    record,
    admission: { type: 'Ready' },
    dependencies: { type: 'Skipped' },
    volumes: { type: 'Skipped' },
    networks: { type: 'Skipped' },
    changes: { type: 'Skipped' },
    power: { type: 'Unknown' },
  };
}

/**
 * Where the volumes lie that there are. Of a guest that comes from another host its status says so, if all hosts see them: its spec may name a pool of
 * before a move, and a record of an earlier stay too. Another volume there would be blank.
 */
function poolsByVolume(
  { poolInformer }: Pick<GuestWorld, 'poolInformer'>,
  { metadata, status }: Stored<GuestObject>,
  record: GuestRecord | undefined,
): ReadonlyMap<string, string> {
  const recorded = (record?.volumes ?? []).map(({ name, pool }) => [name, pool] as const);
  const { epoch = 0 } = status?.placement ?? {};
  const isKnownHere =
    record !== undefined &&
    record.released !== true &&
    (record.uid !== metadata.uid || isMoving(record) || record.epoch >= epoch);
  if (isKnownHere) return new Map(recorded);
  const said = (status?.volumes ?? [])
    .filter(({ pool }) => poolInformer.get(pool)?.spec.shared === true)
    .map(({ name, pool }) => [name, pool] as const);
  return new Map([...recorded, ...said]);
}

/** What a move knows of its volumes is newer than its status. */
function isMoving({ incoming, outgoing }: GuestRecord): boolean {
  return incoming !== undefined || outgoing !== undefined;
}

/**
 * Asked once after each restore of the API, and not about what has run here: the record of it goes when the guest does, or says that it is no longer
 * known whose it is.
 */
async function whereElse(
  { controlPlane, elsewhere }: GuestWorld,
  record: GuestRecord | undefined,
  { uuid, object, signal }: { uuid: string; object: Stored<GuestObject>; signal: AbortSignal },
): Promise<Pick<GuestScope, 'elsewhere' | 'takenAfter'>> {
  const restored = controlPlane.restored();
  const epoch = object.status?.placement?.epoch;
  if (epoch === undefined || (record?.takenAfter ?? 0) >= restored || hasRunHere(record))
    return { elsewhere: done, takenAfter: undefined };
  const outcome = await elsewhere
    .ask({ uuid, uid: object.metadata.uid, epoch }, restored, signal)
    .catch((error: unknown) => outcomeOf(error));
  return { elsewhere: outcome, takenAfter: outcome.type === 'done' ? restored : undefined };
}

function hasRunHere(record: GuestRecord | undefined): boolean {
  if (record === undefined || record.released === true || record.orphaned === true) return false;
  const { live, ended, failure } = record.run;
  return live !== undefined || ended !== undefined || failure !== undefined;
}

function isImmovable({ pools }: GuestWorld, name: string): boolean {
  const pool = pools.get(name);
  if (pool?.type !== 'Open' || pool.driver.capabilities.shared === true) return false;
  return pool.driver.exportVolume === undefined;
}

/** Other hosts have what is in it, too. */
export function isShared({ poolInformer }: Pick<GuestWorld, 'poolInformer'>, name: string): boolean {
  return poolInformer.get(name)?.spec.shared === true;
}
