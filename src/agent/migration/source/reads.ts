/** What the hand-over has to know of the guest and of its move, by consistent reads. */
import { Migration } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import type { GuestObject } from '../../guests/kind.ts';
import { read } from '../../guests/read.ts';
import type { MovePass, MoveWorld } from '../world.ts';

/** The guest and its Migration, where they exist. */
export type HandOverRead = {
  placed: Stored<GuestObject> | undefined;
  current: Stored<Migration> | undefined;
};

/** Reads that are under way; undefined: they failed. `at`: when they were asked for, monotonic. */
export type ReadAhead = { at: number; read: Promise<HandOverRead | undefined> };

/** What is older says too little of whether the move is still wanted. */
const READ_AHEAD_MS = 1_000;

async function readBoth(
  { guests }: MoveWorld,
  { mover, guest, name, signal }: MovePass,
): Promise<HandOverRead> {
  const ref = { namespace: name.namespace, name: name.name };
  const [placed, current] = await Promise.all([
    mover.read(guest, signal),
    guests.client.find(Migration, ref, read(signal)),
  ]);
  return { placed, current };
}

/** Asks while QEMU sends the last of a guest that stands still. */
export function readAhead(world: MoveWorld, pass: MovePass): ReadAhead {
  return {
    at: world.guests.world.clock.monotonic(),
    read: readBoth(world, pass).catch(() => undefined),
  };
}

/**
 * What was read ahead, or is read now. A guest that has changed since makes the swap stale; a Migration that was deleted since comes as late as
 * after the request.
 */
export async function readForHandOver(
  world: MoveWorld,
  pass: MovePass,
  ahead: ReadAhead | undefined,
): Promise<HandOverRead> {
  const isFresh = ahead !== undefined && world.guests.world.clock.monotonic() - ahead.at < READ_AHEAD_MS;
  return (isFresh ? await ahead.read : undefined) ?? readBoth(world, pass);
}
