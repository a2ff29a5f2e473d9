/** Everything a guest needs here before it may come: its state, its volumes, its interfaces, and for a running one the process that waits. */
import { join } from 'node:path';
import { ReasonedError } from '../../../base/outcome.ts';
import { parseBytes } from '../../../base/quantity.ts';
import type { TransferPlace } from '../../../drivers/hypervisor/contract.ts';
import { updateRecord } from '../../guests/wiring.ts';
import { type ArrivingVolume, arriving, describedRecord, type GuestState } from '../state.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { askState } from './ask.ts';
import { copyVolumes, makeVolumes } from './volumes.ts';

/** Fetches what the source says of the guest and writes it down. */
async function describe(
  world: MoveWorld,
  pass: MovePass,
  signal: AbortSignal,
): Promise<GuestState & { volumes: readonly ArrivingVolume[] }> {
  const { guests, files } = world;
  const { handle, mover, guest } = pass;
  const told = await askState(world, pass, signal);
  const state = { ...told, volumes: arriving(told.volumes, pass.migration?.spec.storage) };
  const found = await mover.read(guest, signal);
  if (found === undefined) throw new ReasonedError('GuestGone', 'the guest has been deleted');
  const known = guests.records.get(handle.id)?.idBase;
  const idBase = known ?? (mover.needsIdRange(found) ? guests.idRanges.take() : undefined);
  for (const { path, data } of state.files) {
    await files.writeAtomic(join(handle.directory, path), Buffer.from(data, 'base64'), { mode: 0o600 });
  }
  await updateRecord(guests, handle.id, (record) => describedRecord(record, state, idBase));
  return state;
}

/** A running guest may come when it resolves. Repeatable: what stands already is found. */
export async function prepareLive(
  world: MoveWorld,
  pass: MovePass,
  signal: AbortSignal,
): Promise<TransferPlace> {
  const { mover, handle, guest, migration } = pass;
  const { live } = mover;
  if (live === undefined) throw new ReasonedError('NotMigratable', 'the target cannot take a running guest');
  const { address } = await world.peers.place();
  const state = await describe(world, pass, signal);
  const { volumes, sent } = await makeVolumes(world, pass, state.volumes, signal);
  const found = await mover.read(guest, signal);
  if (found === undefined) throw new ReasonedError('GuestGone', 'the guest has been deleted');
  const nics = await mover.plugIn(found, handle);
  const { certificates } = world.peers;
  const from = migration?.status?.sourceHost ?? '';
  const { channels = 1, compression = 'None', allowPostCopy: postCopy = false } = migration?.spec ?? {};
  const attachments = { volumes, nics, idBase: world.guests.records.get(handle.id)?.idBase ?? 0 };
  return live.receive(handle, { running: state.running, hardware: state.hardware }, attachments, {
    id: pass.name.uid,
    address,
    disks: sent,
    channels,
    compression,
    postCopy,
    ...(certificates === undefined ? {} : { tls: { directory: certificates, peer: from } }),
  });
}

/** Ahead of a guest's stop all is copied again until so little has changed meanwhile that it took no longer, or so often. */
const SHORT_COPY_MS = 2_000;
const MOST_COPIES = 3;

/** What can be copied while the guest runs. */
export async function copyAhead(world: MoveWorld, pass: MovePass, signal: AbortSignal): Promise<void> {
  const { clock } = world.guests.world;
  for (let copies = 0; copies < MOST_COPIES; copies += 1) {
    const beganAt = clock.monotonic();
    await copyOffline(world, pass, 'First', signal);
    if (clock.monotonic() - beganAt <= SHORT_COPY_MS) return;
  }
}

/** One pass of an offline move. The state is fetched anew: what is asked of the guest may have changed. */
export async function copyOffline(
  world: MoveWorld,
  pass: MovePass,
  which: 'First' | 'Final',
  signal: AbortSignal,
): Promise<void> {
  const { bandwidth } = pass.migration?.spec ?? {};
  const state = await describe(world, pass, signal);
  await copyVolumes(world, pass, state.volumes, {
    pass: which,
    signal,
    ...(bandwidth === undefined ? {} : { bytesPerSecond: parseBytes(bandwidth) }),
  });
}
