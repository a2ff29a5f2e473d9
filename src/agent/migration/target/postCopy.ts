/** Post-copy as the target sees it: the guest is at home and runs, and its memory still comes from the source. */
import { updateRecord } from '../../guests/wiring.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { TargetMemory } from './beside.ts';
import { after, again, RECHECK_MS, type TargetStep } from './record.ts';

/** A source that is connected tries within a second; one that has come and gone meanwhile has used the place up. */
const PLACE_LASTS_MS = 15_000;

/** The source is told where the rest of the memory is awaited now. */
export async function listenAnew(
  world: MoveWorld,
  { mover, handle, migration }: MovePass,
  memory: TargetMemory,
): Promise<TargetStep> {
  const now = world.guests.world.clock.monotonic();
  const isSaid = migration?.status?.target?.state === 'Listening';
  if (!isSaid || memory.listening === undefined || now - memory.listening.at > PLACE_LASTS_MS) {
    const { address } = await world.peers.place();
    const place = await mover.live?.listenAnew(handle, { address });
    if (place === undefined) return after(RECHECK_MS);
    memory.listening = { place, at: now };
  }
  const { place } = memory.listening;
  const message = 'the connection to the source is lost: the guest waits for memory that has not come';
  return after(RECHECK_MS, {
    state: 'Listening',
    place: { address: place.address, port: place.port },
    reason: 'Disconnected',
    message,
  });
}

/** A guest that waits for memory that nobody has any more would wait for ever. */
export async function startAnew(world: MoveWorld, pass: MovePass): Promise<TargetStep> {
  const { mover, handle, guest } = pass;
  await mover.kill(handle);
  await updateRecord(world.guests, handle.id, ({ run: { live: _over, ...run }, ...record }) => ({
    ...record,
    run: { ...run, restart: true },
  }));
  pass.event(
    'Warning',
    'MemoryLost',
    'memory that had not come is gone with the source: it starts from its disks',
  );
  world.guests.enqueue(mover.controller, `${guest.namespace}/${guest.name}`);
  return again;
}
