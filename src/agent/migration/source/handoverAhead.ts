/** Whether a guest may be handed over, and what can be done for it while the guest still leaves, so that it stands still less long. */
import { Migration } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import type { GuestObject } from '../../guests/kind.ts';
import { read } from '../../guests/read.ts';
import { askAhead } from '../ahead.ts';
import { belongingOf, type Ends } from '../placement.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { SourceMemory } from './facts.ts';
import { asked, change, unasked } from './record.ts';

/** An API server that does not answer in this time is asked when it is due: how far the guest is must be seen. */
const PATIENCE_MS = 1_000;

/** The two ends of the move that this host has begun; undefined when its record has lost it. */
export function endsOf({ guests }: MoveWorld, id: string): Ends | undefined {
  const record = guests.records.get(id);
  if (record?.outgoing === undefined) return undefined;
  const { to: target, epoch } = record.outgoing;
  return { guestUID: record.uid, source: guests.host, target, epoch };
}

/** As just read: still wanted, and the target still ready. What stands against it is decided by the table. */
export function isWanted({ migration }: MovePass): boolean {
  const { status, metadata } = migration ?? {};
  return (
    metadata?.deletionTimestamp === undefined &&
    status?.completedAt === undefined &&
    status?.cancel === undefined &&
    status?.target?.state === 'Ready'
  );
}

/** By consistent reads: the guest, when its placement may be asked to change. Its resourceVersion holds the request to what was read. */
export async function mayHandOver(
  { guests }: MoveWorld,
  pass: MovePass,
  ends: Ends,
  signal: AbortSignal,
): Promise<Stored<GuestObject> | undefined> {
  const { mover, guest, name } = pass;
  const ref = { namespace: name.namespace, name: name.name };
  const [placed, current] = await Promise.all([
    mover.read(guest, signal),
    guests.client.find(Migration, ref, read(signal)),
  ]);
  pass.migration = current?.metadata.uid === name.uid ? current : undefined;
  if (placed === undefined || belongingOf(placed, ends) !== 'Source') return undefined;
  return placed.metadata.deletionTimestamp === undefined && isWanted(pass) ? placed : undefined;
}

/**
 * While the hypervisor sends the last, and answers nobody: reads whether the guest may be handed over, and writes down that it is asked for.
 * Nothing is asked before all has arrived; what cannot be done now is done then. By post-copy more has to be written down, and only once it is
 * known that it comes to that.
 */
export async function prepareHandOver(world: MoveWorld, pass: MovePass, memory: SourceMemory): Promise<void> {
  const { mover, handle, migration } = pass;
  const ends = endsOf(world, handle.id);
  const isLeaving =
    memory.prepared === undefined && memory.least !== undefined && mover.live?.isStill(handle) === true;
  if (!isLeaving || ends === undefined || migration?.spec.allowPostCopy === true) return;
  const { outgoing } = world.guests.records.get(handle.id) ?? {};
  if (outgoing?.handOver !== undefined || outgoing?.givenUp !== undefined) return;
  if (!world.guests.lease.isValid()) return;
  memory.prepared = true;
  const patience = new AbortController();
  const cancel = world.guests.world.clock.after(PATIENCE_MS, () => patience.abort());
  const signal = AbortSignal.any([pass.signal, patience.signal]);
  try {
    const found = await askAhead({
      ask: () => mayHandOver(world, pass, ends, signal),
      note: () =>
        change(world, pass, (before) => ({ stillSince: pass.now, ...asked(world, before), ahead: true })),
      takeBack: () => change(world, pass, unasked),
    });
    if (found !== undefined) memory.ahead = found;
  } catch (error) {
    world.guests.world.log.debug('a hand-over is prepared when it is due', { error });
  } finally {
    cancel();
  }
}

/** The guest does not leave after all. */
export async function abandonHandOver(world: MoveWorld, pass: MovePass, memory: SourceMemory): Promise<void> {
  if (memory.ahead === undefined) return;
  await change(world, pass, unasked);
  delete memory.ahead;
}
