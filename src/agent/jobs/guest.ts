/** What controllers of jobs about a guest share: whom the job is about, what is known of it here, its turn, and who wakes the job. */
import type { KindRef, KubeObject, Stored } from '../../api/meta.ts';
import { keyOf } from '../../api/meta.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { Trigger } from '../../runtime/contract.ts';
import type { Announcement } from '../announcement.ts';
import { handleOf } from '../guests/gather.ts';
import { lockFor } from '../guests/locks.ts';
import type { GuestLock, GuestRecord } from '../record.ts';
import { guestOf, type SnapshotWorld, whereGuestIs } from '../snapshots/world.ts';
import type { GuestFacts } from './begin.ts';

/** A job about one guest, in its namespace. */
export type GuestJob = KubeObject<{ guest: { kind: GuestRecord['kind']; name: string } }>;

/** The informer of jobs given to this host, with the index that `onSettled` uses. */
export function jobInformer<T extends GuestJob>(
  informers: Informers,
  kind: KindRef<T>,
  host: string,
): Informer<T> {
  return informers.informer(kind, {
    fieldSelector: `status.host=${host}`,
    indexes: { guest: (job) => [guestOf(job).text] },
  });
}

/** A guest was looked at, or something of it changed: jobs about it may have something new to say. */
export function onSettled<T extends GuestJob>(settled: Announcement<string>, jobs: Informer<T>): Trigger {
  return {
    subscribe: (enqueue) =>
      settled.listen((guest) => {
        for (const { metadata } of jobs.byIndex('guest', guest)) enqueue(keyOf(metadata));
      }),
  };
}

/** Of the guest, while this host knows it. */
export function recordOf({ guests }: Pick<SnapshotWorld, 'guests'>, job: GuestJob): GuestRecord | undefined {
  const { kind, key } = guestOf(job);
  return guests.records.byKey(kind, key);
}

/** Nobody else works on the guest meanwhile. */
export async function inTurn<T>(
  world: Pick<SnapshotWorld, 'guests'>,
  job: GuestJob,
  work: () => Promise<T>,
): Promise<T> {
  await world.guests.looked;
  const record = recordOf(world, job);
  return record === undefined ? work() : world.guests.turns.take(record.id, work);
}

/** `own`: the lock, when it is this job's. */
export async function guestFacts(
  world: SnapshotWorld,
  job: Stored<GuestJob>,
): Promise<GuestFacts & { own: GuestLock | undefined }> {
  const record = recordOf(world, job);
  const guest = whereGuestIs(world, record);
  const lock = record === undefined ? 'Free' : lockFor(record, job.metadata.uid);
  return {
    guest,
    record: record && { lock, isOn: record.run.live !== undefined },
    own: lock === 'Own' ? record?.lock : undefined,
    observation:
      record === undefined || guest === 'Away'
        ? undefined
        : (await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record))).state,
  };
}
