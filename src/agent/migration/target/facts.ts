/** Gathers what the target decides from. Where the guest belongs is always asked of the API itself: passes of the target are few. */

import { MIGRATION_FINALIZERS } from '../../../api/cluster.ts';
import { strategyOf } from '../../../api/guest.ts';
import { Host } from '../../../api/kinds/host.ts';
import { isOver } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import type { Arrival, GuestObservation } from '../../../drivers/hypervisor/contract.ts';
import type { GuestObject } from '../../guests/kind.ts';
import { wantedPower } from '../../guests/power.ts';
import { read } from '../../guests/read.ts';
import type { GuestRecord, Incoming } from '../../record.ts';
import { type Belonging, belongingOf } from '../placement.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { TargetMemory } from './beside.ts';
import type { EarlierStay, TargetFacts } from './decide.ts';

/** With the guest's object as it was read, and its move as recorded. */
export type TargetView = TargetFacts & {
  found: Stored<GuestObject> | undefined;
  incoming: Incoming | undefined;
};

export async function targetFacts(
  world: MoveWorld,
  pass: MovePass,
  memory: TargetMemory,
): Promise<TargetView> {
  const { guests } = world;
  const record = guests.records.get(pass.handle.id);
  const incoming = record?.incoming?.migration.uid === pass.name.uid ? record.incoming : undefined;
  const isOnItsWay = incoming?.type === 'Live' && incoming.home !== true;
  const arrived = isOnItsWay ? seenArrived(world, pass, record) : undefined;
  // Who lets it run looks for itself: what was seen a moment ago is enough to try that once.
  const observation =
    arrived !== undefined && memory.waits === true
      ? ({ state: 'Incoming' } as const)
      : await pass.mover.observe(pass.handle);
  const isComing = isOnItsWay && observation.state === 'Incoming';
  if (arrived === undefined && isComing) memory.waits = true;
  else delete memory.waits;
  const now = guests.world.clock.monotonic();
  const known =
    (isComing ? arrived : undefined) ?? (isComing && wasAsked(pass, memory, now) ? NOT_ASKED : undefined);
  if (known === undefined) memory.askedAt = now;
  const { belonging, found } = known ?? (await whereItBelongs(world, pass, record, incoming));
  const settling = settlingOf(record, found, observation);
  const arrival = await memoryOf(pass, incoming, observation);
  const mayNeedSource =
    belonging === 'Target' &&
    (observation.state === 'Off' ||
      (incoming?.home === true && arrival !== undefined && arrival !== 'Whole'));
  return {
    found,
    incoming,
    belonging,
    settling,
    memory: arrival,
    observation: observation.state,
    migration: viewOf(pass),
    record: record && { incoming, stay: earlierStay(world, record) },
    sourceHost:
      mayNeedSource && incoming !== undefined ? await hostState(world, incoming.from, pass.signal) : 'Away',
  };
}

/** Of a record that may have no move of this guest. */
export function earlierStay({ guests }: MoveWorld, record: GuestRecord): EarlierStay {
  if (record.incoming !== undefined || record.outgoing !== undefined) return 'None';
  if (record.orphaned === true) return 'Kept';
  if (record.released !== true || record.lock !== undefined) return 'Leaving';
  const isOnBoth = (name: string) => {
    const pool = guests.pools.get(name);
    return pool?.type === 'Open' && pool.driver.capabilities.shared === true;
  };
  return record.volumes.every(({ pool }) => isOnBoth(pool)) ? 'Left' : 'Kept';
}

/**
 * The guest stands still and the watch shows it placed here: the gate, which comes next, asks the API itself, so that asking before it would
 * only take time.
 */
function seenArrived(
  world: MoveWorld,
  { mover, guest, name }: MovePass,
  record: GuestRecord | undefined,
): { belonging: Belonging; found: Stored<GuestObject> } | undefined {
  const incoming = record?.incoming;
  const seen = mover.seen(`${guest.namespace}/${guest.name}`);
  if (incoming?.migration.uid !== name.uid || record === undefined || seen === undefined) return undefined;
  const { from: source, epoch } = incoming;
  const ends = { guestUID: record.uid, source, target: world.guests.host, epoch: epoch - 1 };
  return belongingOf(seen, ends) === 'Target' ? { belonging: 'Target', found: seen } : undefined;
}

/** What is known of where a guest belongs that nobody was asked about: the target waits. */
const NOT_ASKED = { belonging: 'Unknown', found: undefined } as const;

/**
 * So long the answer of the API counts that the guest is still on its way: a target that asks when QEMU says that it has it all asks in the
 * middle of the hand-over, and before the guest can be its own. No longer than it waits where nothing tells: a watch may have broken off.
 */
const ASKED_MS = 5_000;

/**
 * QEMU tells of each of its steps, and the source needs the API for its own reads then: as long as the source says that it sends, the watch is
 * enough to see the guest placed here.
 */
function wasAsked({ migration }: MovePass, { askedAt }: TargetMemory, now: number): boolean {
  if (migration === undefined || askedAt === undefined || now - askedAt >= ASKED_MS) return false;
  const { source, target } = migration.status ?? {};
  const isGoingOn = !isOver(migration) && migration.metadata.deletionTimestamp === undefined;
  return isGoingOn && source?.state === 'Offering' && target?.state === 'Ready';
}

async function whereItBelongs(
  world: MoveWorld,
  { mover, guest, signal, migration }: MovePass,
  record: GuestRecord | undefined,
  incoming: Incoming | undefined,
): Promise<{ belonging: Belonging; found: Stored<GuestObject> | undefined }> {
  const { status } = migration ?? {};
  const ends = {
    guestUID: status?.guestUID ?? record?.uid ?? '',
    source: incoming?.from ?? status?.sourceHost ?? '',
    target: world.guests.host,
    epoch: incoming === undefined ? (status?.epoch ?? 0) : incoming.epoch - 1,
  };
  try {
    const found = await mover.read(guest, signal);
    const belonging = belongingOf(found, ends);
    // It was this host's already: only an API server restored from an older copy says so.
    const isOlder = belonging === 'Source' && record !== undefined && record.epoch > ends.epoch;
    return { belonging: isOlder ? 'Unknown' : belonging, found };
  } catch {
    return { belonging: 'Unknown', found: undefined };
  }
}

function viewOf({ migration }: MovePass): TargetFacts['migration'] {
  if (migration === undefined) return undefined;
  const { status = {}, metadata } = migration;
  return {
    over: isOver(migration),
    deleting: metadata.deletionTimestamp !== undefined,
    type: status.type ?? 'Offline',
    source: status.source?.state,
    sourceHolds: metadata.finalizers?.includes(MIGRATION_FINALIZERS.source) === true,
    target: status.target?.state,
  };
}

function settlingOf(
  record: GuestRecord | undefined,
  found: Stored<GuestObject> | undefined,
  { state }: Pick<GuestObservation, 'state'>,
): TargetFacts['settling'] {
  const run = record?.run ?? {};
  if (state === 'Running' && run.live !== undefined) return 'Settled';
  if (state !== 'Off') return 'Starting';
  if (run.failure !== undefined) return 'StartFailed';
  const isWantedOn = wantedPower(strategyOf(found?.spec ?? {}), run) === 'On' || run.restart === true;
  return isWantedOn || run.live !== undefined ? 'Starting' : 'Settled';
}

/** Asked only where the answer matters: once the guest is at home here. */
async function memoryOf(
  { mover, handle }: MovePass,
  incoming: Incoming | undefined,
  { state }: Pick<GuestObservation, 'state'>,
): Promise<Arrival | undefined> {
  if (incoming?.postCopy !== true || incoming.home !== true) return undefined;
  if (state !== 'Running' && state !== 'Paused') return undefined;
  return mover.live?.arrival(handle).catch(() => undefined);
}

/** Not known is away: then nothing is given back. */
export async function hostState(
  { guests }: MoveWorld,
  name: string,
  signal: AbortSignal,
): Promise<TargetFacts['sourceHost']> {
  try {
    const state = (await guests.client.find(Host, { name }, read(signal)))?.status?.state ?? 'Gone';
    if (state === 'Online') return 'There';
    return state === 'Fenced' || state === 'Gone' ? 'Gone' : 'Away';
  } catch {
    return 'Away';
  }
}
