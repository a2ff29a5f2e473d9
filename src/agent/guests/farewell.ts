/** Gives the two ways in which a guest leaves this host (removed, moved away) the few functions they depend on. */
import type { Outcome } from '../../base/outcome.ts';
import type { GuestRecord } from '../record.ts';
import type { DepartDeps } from './depart.ts';
import { handleOf } from './gather.ts';
import type { GuestKind, GuestObject } from './kind.ts';
import { readGuest } from './read.ts';
import type { RemoveDeps } from './remove.ts';
import type { Scope } from './scope.ts';
import { updateRecord } from './wiring.ts';
import type { GuestWorld } from './world.ts';

export function removeDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
  stop: () => Promise<Outcome>,
): RemoveDeps {
  const { kind, object, handle, signal } = scope;
  return {
    stop,
    network: world.network,
    readGuest: () => readGuest(world, kind, object.metadata, signal),
    isTrusted: () => world.controlPlane.trust().type === 'Trusted',
    deletionPolicy: object.spec.deletionPolicy ?? 'Delete',
    kill: (guest) => kind.driver.kill(guest),
    cancelJobs: () => world.jobs.cancel(handle.id),
    removeFromDriver: (guest) => kind.driver.remove(guest),
    pool: (name) => world.pools.get(name),
    used: world.pools.used.tell,
    isPoolKnown: (name) => world.poolInformer.get(name) !== undefined,
    isShared: (name) => world.poolInformer.get(name)?.spec.shared === true,
    releaseIdRange: (base) => world.idRanges.release(base),
    forgetRecord: async (id) => {
      await world.records.remove(id);
      world.controlPlane.reportEpoch(id, false);
      world.presence.setRunning(id, false);
      world.presence.setOrphan(id, undefined);
    },
  };
}

export function departDeps<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  record: GuestRecord,
  signal: AbortSignal,
): DepartDeps {
  const handle = handleOf(world.stateDirectory, record);
  const { namespace, name, id } = record;
  return {
    host: world.host,
    isTrusted: () => world.controlPlane.trust().type === 'Trusted',
    readGuest: () => readGuest(world, kind, { namespace, name }, signal),
    observe: () => kind.driver.observe(handle),
    kill: (guest) => kind.driver.kill(guest),
    release: async () => {
      for (const { key, memoryBytes } of record.snapshots ?? [])
        if (memoryBytes !== undefined) await kind.memory?.remove(handle, key);
      await releaseRecord(world, id);
    },
    noteOrphan: (isOrphan) => noteOrphan(world, record, isOrphan),
  };
}

/** Shown on the Host as long as it is an orphan. The record says that it was one until a pass goes on with the guest. */
export async function noteOrphan(world: GuestWorld, record: GuestRecord, isOrphan: boolean): Promise<void> {
  const { id, kind, namespace, name } = record;
  world.presence.setOrphan(id, isOrphan ? `${kind} ${namespace}/${name}` : undefined);
  if (isOrphan) await updateRecord(world, id, (before) => ({ ...before, orphaned: true }));
}

/**
 * The guest is another host's: its record stays for its volumes, and nothing is started, nor what was begun with its disks finished, by it. Its snapshots
 * are in those disks: whoever has it next finds them there, this host too.
 */
export async function releaseRecord(world: GuestWorld, id: string): Promise<void> {
  await updateRecord(world, id, ({ snapshots: _snapshots, head: _head, ...before }) => {
    // Its disks go on elsewhere: a memory that was kept for its next start here is of others by then.
    const { live: _live, stop: _stop, memory: _memory, ...run } = before.run;
    const lock = before.lock === undefined ? {} : { lock: { ...before.lock, away: true as const } };
    return { ...before, ...lock, run, released: true };
  });
  world.presence.setRunning(id, false);
}
