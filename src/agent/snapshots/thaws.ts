/**
 * Thaws guests whose agent was asked to freeze and has not answered: the freeze may come at any time, long after what it was for. Nobody waits
 * for that, and it outlives this agent: the record says so until the guest's agent has answered, or the guest is off.
 */
import { ReasonedError } from '../../base/outcome.ts';
import { handleOf } from '../guests/gather.ts';
import { updateRecord } from '../guests/wiring.ts';
import type { GuestRecord } from '../record.ts';
import type { SnapshotWorld } from './world.ts';

/** An agent that hangs may go on at any moment, and programs in its guest stand still from then on. */
const AGAIN_MS = 5_000;

/** Until the signal; never throws. */
export async function lookAfterThaws(world: SnapshotWorld, signal: AbortSignal): Promise<void> {
  const { records, world: base } = world.guests;
  while (!signal.aborted) {
    const owed = records.all().filter(({ thawOwed }) => thawOwed === true);
    await Promise.all(
      owed.map((record) =>
        thaw(world, record).catch((error: unknown) => {
          base.log.debug('a guest cannot be thawed yet', { guest: record.name, error: String(error) });
        }),
      ),
    );
    await base.clock.sleep(AGAIN_MS, signal).catch(() => undefined);
  }
}

async function thaw(world: SnapshotWorld, record: GuestRecord): Promise<void> {
  const { hands, guests } = world;
  await hands(record.kind).inGuest?.thaw(handleOf(guests.stateDirectory, record));
  await updateRecord(guests, record.id, ({ thawOwed: _, ...rest }) => rest);
}

/** Thaws now, or later where its agent is silent. Throws other ReasonedErrors. */
export async function thawInTime(world: SnapshotWorld, record: GuestRecord): Promise<void> {
  const { hands, guests } = world;
  try {
    await hands(record.kind).inGuest?.thaw(handleOf(guests.stateDirectory, record));
  } catch (error) {
    if (!(error instanceof ReasonedError) || error.reason !== 'GuestAgentSilent') throw error;
    guests.world.log.warn('the agent that was to freeze is silent', { guest: record.name });
    await updateRecord(guests, record.id, (before) => ({ ...before, thawOwed: true }));
  }
}
