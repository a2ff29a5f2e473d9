/** Gives each step of a guest the few functions it depends on, out of everything the agent has. */

import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { ConfigMap } from '../../api/core.ts';
import { strategyOf } from '../../api/guest.ts';
import { guardKey } from '../../api/keeperLease.ts';
import { Backup } from '../../api/kinds/backup.ts';
import { Host } from '../../api/kinds/host.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { backoffDelay } from '../../base/backoff.ts';
import { done, type Outcome, ReasonedError, waiting } from '../../base/outcome.ts';
import type { ArchivedVolume } from '../../drivers/storage/contract.ts';
import { archiveHere, bringArchived, holderAway, holderOf, liesElsewhere } from '../archives/bring.ts';
import { beginCopies } from '../backups/atStart.ts';
import type { GuestRecord } from '../record.ts';
import { checkDependencies } from './dependencies.ts';
import type { DriveDeps } from './drive.ts';
import { GateClosed, type GateDeps, passGate } from './gate.ts';
import type { GuestKind, GuestObject, VolumePlan } from './kind.ts';
import { isStoppedForMaintenance } from './maintenance.ts';
import type { NetworkDeps } from './networks.ts';
import { read, readGuest } from './read.ts';
import type { ReferenceFacts } from './references.ts';
import { staleNics, volumeId } from './remember.ts';
import { type RetryDelay, START_BACKOFF, withRun } from './run.ts';
import type { GuestScope, Scope } from './scope.ts';
import { startGuest } from './start.ts';
import { automaticRestart } from './status.ts';
import type { VolumeDeps } from './volumes.ts';
import type { GuestWorld } from './world.ts';

type KindName = { kind: { kind: string } };

/** The kind as records name it. */
export function recordKind(kind: KindName): GuestRecord['kind'] {
  return kind.kind.kind === 'Container' ? 'Container' : 'VirtualMachine';
}

export function referenceFacts(world: GuestWorld, scope: GuestScope): ReferenceFacts {
  return {
    namespace: scope.namespace,
    pool: (name) => world.pools.get(name),
    isPoolKnown: (name) => world.poolInformer.get(name) !== undefined,
    image: (name) => world.images.get(name),
    kept: (from) => keptVolume(world, scope.namespace, from),
    backup: (name) => referredBackup(world, scope, name),
    imagePool: (name) => world.imageInformer.get(name)?.spec.pool,
    exists: async ({ name, pool }) => {
      if (scope.memory.volumes.has(name)) return true;
      const state = world.pools.get(pool);
      if (state?.type !== 'Open') return false;
      const volume = await state.driver.observe(volumeId(scope.handle.id, name));
      return volume?.owner.guestUuid === scope.handle.uuid;
    },
  };
}

/** A volume in a snapshot that this host keeps. */
function keptVolume(
  { records }: GuestWorld,
  namespace: string,
  { snapshot, disk }: NonNullable<VolumePlan['from']>,
): { pool: string; id: string; key: string } | undefined {
  for (const record of records.all()) {
    const taken = record.namespace === namespace && record.snapshots?.find(({ name }) => name === snapshot);
    const volume = taken ? taken.volumes.find(({ name }) => name === disk) : undefined;
    if (taken && volume !== undefined) return { pool: volume.pool, id: volume.id, key: taken.key };
  }
  return undefined;
}

function findBackup(
  { backup, client }: GuestWorld,
  ref: { namespace: string; name: string },
  signal: AbortSignal,
): Promise<Stored<Backup> | undefined> | Stored<Backup> {
  return backup(keyOf(ref)) ?? client.find(Backup, ref, read(signal));
}

/** Where its archive is, and whether it can be had from there. */
async function referredBackup(
  world: GuestWorld,
  { namespace, signal }: GuestScope,
  name: string,
): ReturnType<ReferenceFacts['backup']> {
  const backup = await findBackup(world, { namespace, name }, signal);
  if (backup === undefined) return undefined;
  const { spec, status } = backup;
  const said = { pool: spec.pool, phase: status?.phase };
  if (status?.phase !== 'Succeeded' || !liesElsewhere(world, backup)) return said;
  if ((await archiveHere(world, backup)) !== undefined) return said;
  const host = await world.client.find(Host, { name: status.host ?? '' }, read(signal));
  const holder = holderOf(host, spec.pool);
  if (holder === 'There') return { ...said, elsewhere: {} };
  return { ...said, elsewhere: { away: holderAway(holder, { host: status.host, pool: spec.pool }) } };
}

/** By the uid of the Backup, never by what its status says: a status is easier to write than a uid. */
async function archivedVolume(
  world: GuestWorld,
  { kind, object, namespace }: Pick<GuestScope, 'object' | 'namespace'> & { kind: KindName },
  [restore, into, { follow, signal }]: Parameters<VolumeDeps['archived']>,
): Promise<ArchivedVolume> {
  const backup = await findBackup(world, { namespace, name: restore.backup }, signal);
  if (backup === undefined)
    throw new ReasonedError('BackupNotReady', `there is no Backup ${restore.backup} any more`);
  const found = await archiveHere(world, backup);
  if (found !== undefined) return found.archives.open(found.name, restore.disk, signal);
  const { name, uid } = object.metadata;
  const guest = { kind: recordKind(kind), namespace, name, uid };
  const epoch = object.status?.placement?.epoch ?? 0;
  return bringArchived(world, into.archives, { backup, volume: restore.disk, guest, epoch, follow }, signal);
}

export function volumeDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): VolumeDeps {
  const { kind, key, object, namespace } = scope;
  return {
    jobs: world.jobs,
    used: world.pools.used.tell,
    enqueue: () => world.enqueue(kind.controller, key),
    imageSize: (name) => world.images.get(name)?.facts?.virtualSizeBytes,
    kept: (namespace, from) => keptVolume(world, namespace, from),
    archived: (...wanted) => archivedVolume(world, { kind, object, namespace }, wanted),
    pool: (name) => {
      const state = world.pools.get(name);
      return state?.type === 'Open' ? state.driver : undefined;
    },
  };
}

export function networkDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): NetworkDeps {
  const { kind, object, handle, nicWishes } = scope;
  return {
    network: world.network,
    plugs: kind.plugs,
    hostname: kind.hostname(object),
    stale: () => (scope.record === undefined ? [] : staleNics(scope.record, nicWishes)),
    forget: (nics) => {
      const names = new Set(nics.map(({ name }) => name));
      return updateRecord(world, handle.id, (record) => ({
        ...record,
        nics: record.nics.filter(({ name }) => !names.has(name)),
      }));
    },
  };
}

/** Changes a record that must exist; on disk when it resolves. */
export function updateRecord(
  world: GuestWorld,
  id: string,
  change: (record: GuestRecord) => GuestRecord,
): Promise<GuestRecord> {
  return world.records.update(id, (record) => {
    if (record === undefined) throw new Error(`the record of ${id} has gone`);
    return change(record);
  });
}

function retryDelay(world: GuestWorld): RetryDelay {
  return (count) => (count <= 1 ? 0 : backoffDelay(count - 2, START_BACKOFF, world.world.random));
}

export function driveDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Omit<DriveDeps, 'prepare'> {
  const { kind, object, handle } = scope;
  const { spec } = object;
  return {
    strategy: strategyOf(spec),
    held: isStoppedForMaintenance(scope) || scope.hostEnds,
    restartToken: spec.restartToken,
    shutdown: {
      timeoutMs: (spec.shutdown?.timeoutSeconds ?? 60) * 1_000,
      force: spec.shutdown?.force ?? 'AfterTimeout',
    },
    retryDelay: retryDelay(world),
    now: () => world.world.clock.now(),
    observe: async () => {
      const observation = await kind.driver.observe(handle);
      world.presence.setRunning(handle.id, observation.state !== 'Off');
      return observation;
    },
    readRun: () => world.records.get(handle.id)?.run ?? {},
    writeRun: async (change) => {
      scope.record = await updateRecord(world, handle.id, (record) => withRun(record, change(record.run)));
    },
    restartForChanges: () => automaticRestart(scope),
    dependencies: async () => {
      scope.dependencies = await checkDependencies(world, scope);
      if (scope.dependencies.type === 'GivenUp')
        scope.event('Warning', 'StartedWithout', `not waited for any longer: ${scope.dependencies.message}`);
      return scope.dependencies.type === 'Blocked' ? scope.dependencies.outcome : done;
    },
    blocked: () => hostBlocked(world) ?? startBlocked(scope),
    start: () => startGuest(startDeps(world, scope), scope),
    acknowledgeEnd: (guest) => kind.driver.remove(guest),
    resume: async () => {
      const epoch = object.status?.placement?.epoch ?? 0;
      await passGate(gateDeps(world, kind, object, epoch, scope.signal));
      await kind.driver.resume(handle);
    },
    shutdownGuest: (guest) => kind.driver.shutdown(guest),
    kill: (guest) => kind.driver.kill(guest),
  };
}

/** Nothing is prepared for a start on a host that goes down. */
function hostBlocked({ ending }: GuestWorld): Outcome | undefined {
  const end = ending.closed();
  return end && waiting(end.reason, end.message, ENDING_RECHECK_MS);
}

const ENDING_RECHECK_MS = 2_000;

/** What a start would fail on for certain. */
function startBlocked<T extends GuestObject, Request, Hardware>({
  facts,
  admission,
  volumes,
  networks,
}: Scope<T, Request, Hardware>): Outcome {
  for (const step of [admission, volumes, networks]) {
    if (step.type === 'Blocked') return step.outcome;
  }
  if (facts.available) return done;
  return waiting(facts.reason ?? 'HypervisorMissing', facts.message ?? 'look at the Host', 60_000);
}

function startDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Parameters<typeof startGuest>[0] {
  return {
    restartToken: scope.object.spec.restartToken,
    now: () => world.world.clock.now(),
    monotonic: () => world.world.clock.monotonic(),
    updateRecord: (change) => updateRecord(world, scope.handle.id, change),
    grantIds: () => world.grantIds(),
    gate: (epoch) => gateDeps(world, scope.kind, scope.object, epoch, scope.signal),
    guard: () => guardAhead(world, scope),
    beginCopies: async () => {
      const { handle, kind } = scope;
      if (kind.snapshots === undefined) return false;
      const { copies } = kind.snapshots;
      const record = () => world.records.get(handle.id);
      const update = (change: (record: GuestRecord) => GuestRecord) => updateRecord(world, handle.id, change);
      return beginCopies({ record, copies, update, now: () => world.world.clock.now() }, handle);
    },
  };
}

/** Before anything is prepared: what is prepared holds its volumes, and is dead at the deadline too. By what is seen; the gate reads again. */
async function guardAhead(world: GuestWorld, { object, record }: GuestScope): Promise<void> {
  const { guarding } = world;
  if (record === undefined || !guarding.needs(object)) return;
  guarding.requireChoice(object);
  await guarding.admit(object, await guarding.hold(guardKey(record.uid, record.epoch), record.id));
}

/** What the gate of one guest asks. */
export function gateDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  { metadata }: { metadata: { uid: string; namespace?: string; name: string } },
  epoch: number,
  signal: AbortSignal,
): GateDeps {
  const { client, controlPlane, guarding, host, lease } = world;
  const cluster = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
  return {
    host,
    epoch,
    uid: metadata.uid,
    isLeaseValid: () => lease.isValid(),
    isTrusted: () => controlPlane.trust().type === 'Trusted',
    ending: () => world.ending.closed(),
    readGuest: () => readGuest(world, kind, metadata, signal),
    readCluster: async () => (await client.find(ConfigMap, cluster, read(signal)))?.data,
    matchesCluster: (data) => controlPlane.matches(data),
    guard: {
      needs: guarding.needs,
      hold: () => {
        const id = world.records.byKey(recordKind(kind), keyOf(metadata))?.id;
        if (id === undefined) throw new GateClosed('GuestUnknown', 'this host has no record of the guest');
        return guarding.hold(guardKey(metadata.uid, epoch), id);
      },
      admit: guarding.admit,
    },
  };
}
