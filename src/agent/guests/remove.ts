/**
 * Removes a deleted guest from this host: stopped in order, then by force; then what the driver, the network and the pools have of it; the
 * record last. Each part may be repeated after a crash. Nothing is destroyed unless a consistent read shows it deleted and still placed here.
 */
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, outcomeOf, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import type { GuestHandle } from '../../drivers/hypervisor/contract.ts';
import type { NetworkDriver } from '../../drivers/network/contract.ts';
import type { PoolState } from '../pools/table.ts';
import type { RecordedVolume } from '../record.ts';
import type { GuestObject } from './kind.ts';
import { moveStage } from './moving.ts';
import { forgetRun, type GuestScope } from './scope.ts';

export type RemoveDeps = {
  /** A consistent read: never from a cache. */
  readGuest(): Promise<Stored<GuestObject> | undefined>;
  isTrusted(): boolean;
  deletionPolicy: 'Delete' | 'Retain';
  /** The power step as if the guest were Halted and force allowed. */
  stop(): Promise<Outcome>;
  /** A process that only waits for a guest on its way here. */
  kill(guest: GuestHandle): Promise<void>;
  cancelJobs(): Promise<void>;
  removeFromDriver(guest: GuestHandle): Promise<void>;
  network: Pick<NetworkDriver, 'detach'>;
  pool(name: string): PoolState | undefined;
  /** A volume was removed. */
  used(pool: string): void;
  isPoolKnown(name: string): boolean;
  /** Its volumes are the same on all hosts that have it. */
  isShared(pool: string): boolean;
  releaseIdRange(base: number): void;
  forgetRecord(id: string): Promise<void>;
};

/** `done` when nothing of the guest is left here. */
export async function removeGuest(deps: RemoveDeps, scope: GuestScope): Promise<Outcome> {
  if (!deps.isTrusted()) {
    return waiting(
      'ControlPlaneRolledBack',
      'the control plane cannot be trusted at the moment: nothing is removed',
    );
  }
  const { record, object, host, handle } = scope;
  // The record speaks of another object of this name: nothing here was made for this one.
  if (record !== undefined && record.uid !== object.metadata.uid) return done;
  const current = await deps.readGuest();
  if (current?.metadata.uid !== object.metadata.uid) return done;
  if (current.metadata.deletionTimestamp === undefined || current.status?.placement?.host !== host) {
    return waiting('NotPlacedHere', 'the guest is not to be removed from this host');
  }
  const stage = moveStage(record);
  if (stage === 'Leaving' || stage === 'HandingOver' || stage === 'HeldOff' || stage === 'Left')
    return waiting('Migrating', 'the guest is removed when its move has been called off', 5_000);
  if (stage === 'Arriving') await deps.kill(handle);
  const stopped = stage === 'Arriving' ? done : await stopGuest(deps, scope);
  if (stopped.type !== 'done') return stopped;
  try {
    await deps.cancelJobs();
    await deps.removeFromDriver(handle);
    forgetRun(scope.memory);
    for (const name of nicNames(scope)) await deps.network.detach(handle.id, name);
    const volumes = await removeVolumes(deps, scope);
    if (volumes.type !== 'done') return volumes;
    if (record?.idBase !== undefined) deps.releaseIdRange(record.idBase);
    await deps.forgetRecord(handle.id);
    scope.record = undefined;
    return done;
  } catch (error) {
    return outcomeOf(error, 'RemovalFailed');
  }
}

async function stopGuest(deps: RemoveDeps, scope: GuestScope): Promise<Outcome> {
  if (scope.observation.state === 'Unmanageable' && scope.observation.killable !== true) {
    return stalled(scope.observation.reason, scope.observation.message);
  }
  if (scope.record === undefined) {
    if (scope.observation.state === 'Off') return done;
    return stalled('Unrecorded', 'the guest runs and this host has no record of it: end it by hand');
  }
  if (scope.observation.state === 'Off' && scope.record.run.live === undefined) return done;
  const outcome = await deps.stop();
  if (scope.observation.state === 'Off') return done;
  return outcome.type === 'done' ? waiting('Stopping', 'the guest is being stopped', 1_000) : outcome;
}

function nicNames({ record, nicWishes }: GuestScope): string[] {
  return [...new Set([...(record?.nics ?? []), ...nicWishes].map(({ name }) => name))];
}

async function removeVolumes(deps: RemoveDeps, scope: GuestScope): Promise<Outcome> {
  if (deps.deletionPolicy === 'Retain') return done;
  for (const volume of volumesOf(deps, scope)) {
    if (volume.reclaim === 'Retain') continue;
    const outcome = await removeVolume(deps, scope, volume);
    if (outcome.type !== 'done') return outcome;
  }
  return done;
}

/**
 * What was recorded. Without a record nothing was made here for this object, and what lies there was retained for an earlier one: but on shared
 * storage what the object lists was made for it by its last host, which is proven dead.
 */
function volumesOf(deps: RemoveDeps, { record, volumePlans, object }: GuestScope): readonly RecordedVolume[] {
  const reclaims = new Map(volumePlans.map(({ name, reclaim }) => [name, reclaim]));
  const left = (object.status?.volumes ?? []).filter(({ pool }) => deps.isShared(pool));
  // One that is not in the spec any more may have been one to keep.
  const volumes =
    record?.volumes ?? left.map(({ name, pool, id }) => ({ name, pool, id, reclaim: 'Retain' as const }));
  return volumes.map((volume) => ({ ...volume, reclaim: reclaims.get(volume.name) ?? volume.reclaim }));
}

async function removeVolume(deps: RemoveDeps, scope: GuestScope, volume: RecordedVolume): Promise<Outcome> {
  const { name, pool: poolName, id } = volume;
  const pool = deps.pool(poolName);
  if (pool?.type === 'Open') {
    try {
      await pool.driver.remove(id, { guestUuid: scope.handle.uuid });
      deps.used(poolName);
    } catch (error) {
      if (!(error instanceof ReasonedError) || error.reason !== 'VolumeOwnedByOther') throw error;
      scope.event(
        'Warning',
        error.reason,
        `the volume of ${name} belongs to another guest and is left alone`,
      );
    }
    return done;
  }
  if (deps.isPoolKnown(poolName)) {
    const why = pool?.type === 'Broken' ? pool.message : 'it is not open here';
    return waiting(
      'StoragePoolNotReady',
      `the volume of ${name} is removed when the StoragePool ${poolName} can be used: ${why}`,
      60_000,
    );
  }
  if (scope.record !== undefined) {
    scope.event(
      'Warning',
      'VolumeLeft',
      `the StoragePool ${poolName} is gone: the volume of ${name} stays where it is`,
    );
  }
  return done;
}
