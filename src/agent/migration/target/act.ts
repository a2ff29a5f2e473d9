/** Does what the target's table says, one deed at a time; each may be repeated after a crash. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { TransferPlace } from '../../../drivers/hypervisor/contract.ts';
import { GateClosed } from '../../guests/gate.ts';
import { updateRecord } from '../../guests/wiring.ts';
import { HOST_GUEST_LIMIT } from '../../host/inventory.ts';
import { askAhead } from '../ahead.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { type Beside, beside, type TargetMemory } from './beside.ts';
import type { TargetDeed } from './decide.ts';
import { earlierStay, type TargetView } from './facts.ts';
import { listenAnew, startAnew } from './postCopy.ts';
import { copyAhead, copyOffline, prepareLive } from './prepare.ts';
import { after, again, change, RECHECK_MS, type TargetSays, type TargetStep } from './record.ts';
import { isNeverToCome, recover } from './recover.ts';

/** The guest stands still between two looks. */
const ARRIVAL_RECHECK_MS = 250;
/** From the swap until what the switch sends is here: the guest stands still for it. */
const SWITCH_RECHECK_MS = 50;
/** A gate that was passed longer ago than this, because the guest's process did not answer meanwhile, is passed anew. */
const GATE_HOLDS_MS = 1_000;

/** `wake` has this move looked at again when work beside the passes has ended. */
export async function actAsTarget(
  world: MoveWorld,
  pass: MovePass,
  view: TargetView,
  deed: TargetDeed,
  { memory, wake }: Beside,
): Promise<TargetStep> {
  switch (deed.type) {
    case 'none':
    case 'await':
      return after(RECHECK_MS);
    case 'accept':
      return accept(world, pass);
    case 'prepare':
      return beside(world, pass, 'prepare', { memory, wake }, async (signal) => ({
        state: 'Ready',
        place: reported(await prepareLive(world, pass, signal)),
      }));
    case 'copy':
      return beside(world, pass, `copy ${deed.pass}`, { memory, wake }, async (signal) => {
        if (deed.pass === 'First') await copyAhead(world, pass, signal);
        else await copyOffline(world, pass, deed.pass, signal);
        return { state: deed.pass === 'First' ? 'Precopied' : 'Ready' };
      });
    case 'arrive':
      return arrive(world, pass, view, memory);
    case 'settle':
      return settle(world, pass, view);
    case 'finish':
      await updateRecord(world.guests, pass.handle.id, ({ incoming: _over, ...record }) => record);
      return after(RECHECK_MS, { state: 'Settled' });
    case 'giveBack':
      return giveBack(world, pass, view);
    case 'listenAnew':
      return listenAnew(world, pass, memory);
    case 'startAnew':
      return startAnew(world, pass);
    case 'recover':
      return recover(world, pass, view);
    case 'say':
      return after(
        RECHECK_MS,
        deed.state === 'Arrived'
          ? { state: 'Arrived' }
          : { ...pass.migration?.status?.target, state: deed.state },
      );
    case 'fail':
      return after(RECHECK_MS, {
        state: 'Failed',
        reason: deed.reason,
        message: deed.message.slice(0, 1_024),
      });
    case 'clean':
      await clean(world, pass);
      return again;
    default:
      return deed satisfies never;
  }
}

/**
 * On disk first, then in the Host's inventory: only after both may anything of the guest be made here. Of an earlier stay that has ended only what
 * is still to be given back counts.
 */
async function accept(
  world: MoveWorld,
  { handle, guest, name, migration, signal }: MovePass,
): Promise<TargetStep> {
  const { guests } = world;
  const { guestUID = '', epoch = 0, sourceHost = '', type = 'Offline' } = migration?.status ?? {};
  const postCopy = type === 'Live' && migration?.spec.allowPostCopy === true;
  if (guests.records.count() >= HOST_GUEST_LIMIT) {
    return after(RECHECK_MS, {
      state: 'Failed',
      reason: 'HostFull',
      message: `the target has ${HOST_GUEST_LIMIT} guests, the most it can report`,
    });
  }
  await guests.records.update(handle.id, (before) => {
    if (before !== undefined && earlierStay(world, before) !== 'Left') return before;
    return {
      version: 1,
      ...guest,
      uid: guestUID,
      uuid: handle.uuid,
      id: handle.id,
      epoch,
      volumes: [],
      nics: before?.nics ?? [],
      ...(before?.idBase === undefined ? {} : { idBase: before.idBase }),
      run: {},
      incoming: {
        ...{ migration: name, type, from: sourceHost, epoch: epoch + 1, made: [] },
        ...(postCopy ? { postCopy } : {}),
      },
    };
  });
  if (!guests.inventory.lists(handle.uuid)) await guests.inventory.publish(signal);
  return again;
}

function reported({ address, port, disks }: TransferPlace): NonNullable<TargetSays['place']> {
  if (disks === undefined) return { address, port };
  const exports = Object.entries(disks.exports).map(([name, value]) => ({ name, export: value }));
  return { address, port, disks: { port: disks.port, exports } };
}

/** That it may have run here is written down before its first instruction, and taken back when the gate forbids that. */
async function arrive(
  world: MoveWorld,
  pass: MovePass,
  view: TargetView,
  memory: TargetMemory,
): Promise<TargetStep> {
  const { found, incoming } = view;
  const { mover, handle, guest, signal } = pass;
  const { clock } = world.guests.world;
  const epoch = found?.status?.placement?.epoch;
  const uid = found?.metadata.uid;
  if (mover.live === undefined || epoch === undefined || uid === undefined || incoming === undefined)
    return after(RECHECK_MS);
  const { controlPlane } = world.guests;
  try {
    await mover.live.arrive(handle, async (here) => {
      // By post-copy it is placed here some time before it can run: nothing is asked or written for nothing.
      if (incoming.postCopy === true) await here;
      const mayHaveRun = incoming.arriving === true;
      const seen = controlPlane.highest();
      const passGate = () => mover.gate({ metadata: { ...guest, uid } }, epoch, signal);
      await askAhead({
        ask: async () => {
          const askedAt = clock.monotonic();
          await Promise.all([passGate(), here]);
          if (clock.monotonic() - askedAt > GATE_HOLDS_MS) await passGate();
          return true;
        },
        note: () =>
          change(
            world,
            pass,
            (before) => ({ ...before, arriving: true }),
            (record) => ({ epoch: Math.max(record.epoch, epoch) }),
          ),
        takeBack: async () => {
          if (!mayHaveRun) await change(world, pass, ({ arriving: _not, ...before }) => before);
        },
      });
      // What this host has said of itself to a later one may be that it has not got the guest.
      if (controlPlane.highest() !== seen)
        throw new GateClosed('ControlPlaneChanged', 'a new leader has begun meanwhile: it is asked again');
    });
    delete memory.missedSince;
  } catch (error) {
    const hasNotCome = error instanceof ReasonedError && error.reason === 'NotArrived';
    if (hasNotCome && (await isNeverToCome(world, pass, view, memory))) return recover(world, pass, view);
    if (hasNotCome && incoming.postCopy === true) return after(SWITCH_RECHECK_MS);
    if (!(error instanceof GateClosed)) throw error;
    return after(ARRIVAL_RECHECK_MS);
  }
  return again;
}

async function settle(
  world: MoveWorld,
  pass: MovePass,
  { found, observation }: TargetView,
): Promise<TargetStep> {
  const { guests } = world;
  const { mover, guest } = pass;
  const now = guests.world.clock.now();
  await change(
    world,
    pass,
    (incoming) => ({ ...incoming, home: true }),
    ({ epoch, run, incoming }) => ({
      epoch: Math.max(epoch, found?.status?.placement?.epoch ?? 0),
      ...(observation === 'Running' || incoming?.arriving === true
        ? { run: { ...run, live: { since: now } } }
        : {}),
    }),
  );
  guests.enqueue(mover.controller, `${guest.namespace}/${guest.name}`);
  return again;
}

/** The source still has all of it: by compare-and-swap, with a new epoch. Until it is read whose it is, nothing starts here. */
async function giveBack(
  world: MoveWorld,
  pass: MovePass,
  { found, incoming }: TargetView,
): Promise<TargetStep> {
  const epoch = found?.status?.placement?.epoch;
  if (found === undefined || epoch === undefined || incoming === undefined) return after(ARRIVAL_RECHECK_MS);
  const failure = world.guests.records.get(pass.handle.id)?.run.failure;
  const { reason, message } = failure ?? {
    reason: 'TargetDied',
    message: 'the process that was to take the guest over has ended on the target',
  };
  await change(
    world,
    pass,
    ({ home: _home, ...before }) => ({ ...before, failed: { reason, message } }),
    (record) => ({ epoch: Math.max(record.epoch, epoch) }),
  );
  const to = { host: incoming.from, epoch: epoch + 1, now: world.guests.world.clock.now() };
  const result = await pass.mover.swap(found, to, pass.signal);
  pass.event('Warning', reason, `given back to ${incoming.from}: ${message}`);
  return result === 'Swapped' ? again : after(ARRIVAL_RECHECK_MS);
}

/** Only what was made for this move. */
async function clean({ guests }: MoveWorld, { handle, mover }: MovePass): Promise<void> {
  await guests.jobs.cancel(handle.id);
  const record = guests.records.get(handle.id);
  if (record === undefined) return;
  const { state } = await mover.observe(handle);
  if (state !== 'Off') await mover.kill(handle);
  await mover.remove(handle);
  for (const { name } of record.nics) await guests.network.detach(handle.id, name);
  for (const name of record.incoming?.made ?? []) {
    const volume = record.volumes.find((known) => known.name === name);
    const pool = guests.pools.get(volume?.pool ?? '');
    if (volume === undefined || pool?.type !== 'Open') continue;
    await pool.driver.remove(volume.id, { guestUuid: handle.uuid });
    guests.pools.used.tell(volume.pool);
  }
  if (record.idBase !== undefined) guests.idRanges.release(record.idBase);
  await guests.records.remove(handle.id);
  guests.controlPlane.reportEpoch(handle.id, false);
  guests.presence.setRunning(handle.id, false);
  guests.presence.setOrphan(handle.id, undefined);
}
