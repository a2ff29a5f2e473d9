/**
 * A guest that is placed here although its source never handed it over: that was lost, and the cluster has recovered the guest on the target of its move.
 * What has come of it may be half of it, and the rest never comes.
 */
import type { GuestStatus } from '../../../api/guest.ts';
import { updateRecord } from '../../guests/wiring.ts';
import type { GuestRecord } from '../../record.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { TargetMemory } from './beside.ts';
import { hostState, type TargetView } from './facts.ts';
import { again, type TargetStep } from './record.ts';

/** A guest that is handed over has come, or comes within moments. */
const MISSED_MS = 2_000;
/** So long a source that says that it is done, or that nobody hears, may still be at the switch. */
const DONE_MS = 30_000;

/** Nobody is left who would send the rest. */
export async function isNeverToCome(
  world: MoveWorld,
  { signal }: MovePass,
  { migration, incoming }: TargetView,
  memory: TargetMemory,
): Promise<boolean> {
  const now = world.guests.world.clock.monotonic();
  memory.missedSince ??= now;
  const missedMs = now - memory.missedSince;
  if (incoming === undefined || missedMs < MISSED_MS) return false;
  const isDone = migration === undefined || migration.over || migration.source === 'Stayed';
  if (isDone && missedMs >= DONE_MS) return true;
  return (await hostState(world, incoming.from, signal)) === 'Gone';
}

/**
 * It is an ordinary guest of this host from now on, with what its source had: a volume that lies in a shared pool still is taken there, and what was copied
 * of it goes. Repeatable.
 */
export async function recover(world: MoveWorld, pass: MovePass, { found }: TargetView): Promise<TargetStep> {
  const { guests } = world;
  const { mover, handle, guest } = pass;
  // What prepares for it may be about to start its process.
  await guests.jobs.cancel(handle.id);
  const { state } = await mover.observe(handle);
  if (state !== 'Off') await mover.kill(handle);
  const record = guests.records.get(handle.id);
  const left = leftBehind(world, record, found?.status?.volumes ?? []);
  for (const { name, id, pool } of record?.volumes ?? []) {
    const driver = left.has(name) ? guests.pools.get(pool) : undefined;
    if (driver?.type !== 'Open') continue;
    await driver.driver.remove(id, { guestUuid: handle.uuid });
    guests.pools.used.tell(pool);
  }
  await updateRecord(guests, handle.id, ({ incoming, run: { live: _over, ...run }, ...before }) => ({
    ...before,
    epoch: Math.max(before.epoch, found?.status?.placement?.epoch ?? 0),
    volumes: before.volumes.map((volume) => ({ ...volume, pool: left.get(volume.name) ?? volume.pool })),
    run: incoming?.type === 'Live' ? { ...run, restart: true } : run,
  }));
  pass.event(
    'Warning',
    'SourceLost',
    'its source was lost before it was handed over: it starts from its disks',
  );
  guests.enqueue(mover.controller, `${guest.namespace}/${guest.name}`);
  return again;
}

/** The volumes made here whose originals lie in shared pools, with these. What was copied from a pool of the source alone is all there is, and whole then. */
function leftBehind(
  { guests }: MoveWorld,
  record: GuestRecord | undefined,
  said: NonNullable<GuestStatus['volumes']>,
): ReadonlyMap<string, string> {
  const made = new Set(record?.incoming?.made);
  const here = new Map(record?.volumes.map(({ name, pool }) => [name, pool]));
  const originals = said.filter(
    ({ name, pool }) =>
      made.has(name) && here.get(name) !== pool && guests.poolInformer.get(pool)?.spec.shared === true,
  );
  return new Map(originals.map(({ name, pool }) => [name, pool]));
}
