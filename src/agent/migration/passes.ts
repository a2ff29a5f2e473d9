/** From a Migration, or from what is left of one, to a pass over the guest it moves. */
import { guestId, guestUuid } from '../../api/identity.ts';
import { Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { Pass } from '../../runtime/contract.ts';
import { handleOf } from '../guests/gather.ts';
import { read } from '../guests/read.ts';
import type { GuestRecord, MoveName } from '../record.ts';
import { type MovePass, type MoveWorld, moveName } from './world.ts';

/** Undefined while the cluster's id is unknown: without it a guest has no identity. */
export function passOver(world: MoveWorld, given: Pass<Migration>): MovePass | undefined {
  const { object, now, signal, event } = given;
  return passFor(world, object, object, { now, signal, event });
}

/** After the Migration has left what this host sees: undefined when it is still there. */
export async function passWithout(
  world: MoveWorld,
  last: Stored<Migration>,
  signal: AbortSignal,
): Promise<MovePass | undefined> {
  const current = await findMigration(world, moveName(last), signal);
  if (current !== undefined) return undefined;
  const { clock } = world.guests.world;
  return passFor(world, last, undefined, { now: clock.now(), signal, event: () => {} });
}

/** For a move that the record of a guest speaks of and whose Migration is gone. */
export function passOfRecord(
  world: MoveWorld,
  { kind, namespace, name, id, uuid }: GuestRecord,
  move: MoveName,
  signal: AbortSignal,
): MovePass {
  const { stateDirectory, world: base } = world.guests;
  return {
    migration: undefined,
    name: move,
    guest: { kind, namespace, name },
    handle: handleOf(stateDirectory, { id, uuid, namespace, name }),
    mover: world.mover(kind),
    now: base.clock.now(),
    signal,
    event: () => {},
  };
}

/** A consistent read of the Migration that has this uid. */
export async function findMigration(
  { guests }: MoveWorld,
  { uid, namespace, name }: MoveName,
  signal: AbortSignal,
): Promise<Stored<Migration> | undefined> {
  const found = await guests.client.find(Migration, { namespace, name }, read(signal));
  return found?.metadata.uid === uid ? found : undefined;
}

function passFor(
  world: MoveWorld,
  of: Stored<Migration>,
  migration: Stored<Migration> | undefined,
  rest: Pick<MovePass, 'now' | 'signal' | 'event'>,
): MovePass | undefined {
  const trust = world.guests.controlPlane.trust();
  if (trust.id === undefined) return undefined;
  const { kind, name } = of.spec.guest;
  const namespace = of.metadata.namespace ?? 'default';
  const uuid = guestUuid(trust.id, { kind, namespace, name });
  const guest = { id: guestId(uuid), uuid, namespace, name };
  return {
    migration,
    name: moveName(of),
    guest: { kind, namespace, name },
    handle: handleOf(world.guests.stateDirectory, guest),
    mover: world.mover(kind),
    ...rest,
  };
}
