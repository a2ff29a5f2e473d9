import { outcomeOf } from '../../../base/outcome.ts';
import { departGuest } from '../../guests/depart.ts';
import { updateRecord } from '../../guests/wiring.ts';
import { departDepsOf } from '../depart.ts';
import { type MovePass, type MoveWorld, moveKey } from '../world.ts';
import type { SourceDeed, SourceStage } from './decide.ts';
import type { SourceMemory, SourceView } from './facts.ts';
import { acceptBack, handOver, reclaim, takeBack } from './handover.ts';
import { followUp, startAnew } from './postCopy.ts';
import {
  after,
  again,
  awaitTakeOver,
  change,
  giveUp,
  HANDOVER_RECHECK_MS,
  RECHECK_MS,
  type SourceStep,
  unasked,
  wakeGuest,
} from './record.ts';
import { releaseGuest } from './release.ts';
import { follow, send } from './transfer.ts';

export async function actAsSource(
  world: MoveWorld,
  pass: MovePass,
  view: SourceView,
  deed: SourceDeed,
  memory: SourceMemory,
): Promise<SourceStep> {
  switch (deed.type) {
    case 'none':
      return after(RECHECK_MS);
    case 'refuse':
      return after(RECHECK_MS, { message: deed.end.message, end: deed.end });
    case 'begin':
      return begin(world, pass);
    case 'offer':
      return offer(world, pass, deed.stage, view);
    case 'send':
      return giveUpOnError(world, pass, () => send(world, pass, view, memory));
    case 'follow':
      return follow(world, pass, view, memory, deed.stage);
    case 'hold':
      return hold(world, pass, view);
    case 'awaitOff':
      return after(RECHECK_MS, {
        stage: 'Synchronizing',
        message: 'the guest is being stopped for the move',
      });
    case 'sayOff':
      await change(world, pass, (outgoing) => ({ stillSince: pass.now, ...outgoing }));
      return offer(world, pass, 'Synchronizing', view, 'Stopped');
    case 'handOver':
      return handOver(world, pass, view, memory);
    case 'noteHandedOver':
      await change(world, pass, (outgoing) => ({ ...unasked(outgoing), handOver: 'Done' }));
      return again;
    case 'awaitTarget':
      return awaitTarget(pass, view);
    case 'switchOver':
      await pass.mover.live?.switchOver(pass.handle);
      return again;
    case 'followUp':
      return followUp(world, pass, view, deed.silent);
    case 'startAnew':
      return startAnew(world, pass);
    case 'release':
      return release(world, pass, memory);
    case 'succeed':
      return succeed(pass, memory);
    case 'giveUp':
      await giveUp(world, pass, deed.end);
      return again;
    case 'reclaim':
      return reclaim(world, pass, view, deed.end);
    case 'acceptBack':
      return acceptBack(world, pass, view, deed.end);
    case 'cancelTransfer':
      await pass.mover.live?.cancel(pass.handle);
      return again;
    case 'takeBack':
      return takeBack(world, pass, view);
    case 'sayStayed':
      return after(100, { message: deed.end.message, end: deed.end, source: { state: 'Stayed' } });
    case 'forget':
      return forget(world, pass, view);
    default:
      return deed satisfies never;
  }
}

async function begin(
  world: MoveWorld,
  { handle, migration, name, now, event }: MovePass,
): Promise<SourceStep> {
  const { type = 'Offline', targetHost: to = '' } = migration?.status ?? {};
  const storage = (migration?.spec.storage ?? []).map(({ pool, target }) => [pool, target] as const);
  await updateRecord(world.guests, handle.id, (record) => ({
    ...record,
    outgoing: {
      ...{ migration: name, type, to, epoch: record.epoch, since: now },
      ...(storage.length === 0 ? {} : { storage: Object.fromEntries(storage) }),
    },
  }));
  event('Normal', 'Begun', `moves to ${to}`);
  return again;
}

async function offer(
  world: MoveWorld,
  { handle, now }: MovePass,
  stage: SourceStage,
  { record, migration }: SourceView,
  state: 'Offering' | 'Stopped' = migration?.source === 'Stopped' ? 'Stopped' : 'Offering',
): Promise<SourceStep> {
  const place = await world.peers.place();
  const since = world.guests.records.get(handle.id)?.outgoing?.since ?? now;
  const message =
    record?.outgoing?.held === undefined ? 'the target is being prepared' : 'the target copies what is left';
  return after(RECHECK_MS, { stage, message, source: { state, place }, since });
}

async function hold(
  world: MoveWorld,
  pass: MovePass,
  { observation, record }: SourceView,
): Promise<SourceStep> {
  const wasOn = observation !== 'Off' || record?.runs === true;
  await change(world, pass, (outgoing) => ({ ...outgoing, held: { wasOn } }));
  wakeGuest(world, pass);
  return again;
}

function awaitTarget({ migration }: MovePass, { record, belonging }: SourceView): SourceStep {
  if (migration === undefined) return after(RECHECK_MS);
  const isDone = record?.outgoing?.handOver === 'Done';
  if (!isDone) return after(HANDOVER_RECHECK_MS);
  const afterMs = migration.status?.source?.state === 'HandedOver' ? 2_000 : 0;
  return belonging === 'Unknown' ? awaitTakeOver(afterMs, 'the API server is away') : awaitTakeOver(afterMs);
}

async function release(world: MoveWorld, pass: MovePass, memory: SourceMemory): Promise<SourceStep> {
  const outgoing = world.guests.records.get(pass.handle.id)?.outgoing;
  const now = world.guests.world.clock.now();
  if (outgoing !== undefined) {
    const downtimeMs =
      outgoing.type === 'Offline' && outgoing.held?.wasOn !== true
        ? undefined
        : (outgoing.stoodStillMs ?? now - (outgoing.stillSince ?? now));
    memory.measured ??= { totalMs: now - outgoing.since, downtimeMs };
  }
  const at = world.guests.world.clock.monotonic();
  memory.releasingSince ??= at;
  const blocked = await releaseGuest(world, pass, at - memory.releasingSince);
  return blocked === undefined ? again : after(blocked.afterMs);
}

function succeed({ migration, now }: MovePass, { measured }: SourceMemory): SourceStep {
  const startedAt = Date.parse(migration?.status?.startedAt ?? '');
  const totalMs = Number.isNaN(startedAt) ? 0 : now - startedAt;
  return after(0, {
    message: `the guest is on ${migration?.status?.targetHost ?? 'its target'}`,
    end: { phase: 'Succeeded', reason: 'Succeeded' },
    source: { state: 'Released' },
    measured: measured ?? { totalMs, downtimeMs: undefined },
  });
}

/** The guest is an ordinary guest of this host again, or another's: then what stands here goes by the rules of a guest that has left. */
async function forget(world: MoveWorld, pass: MovePass, { belonging }: SourceView): Promise<SourceStep> {
  const record = await updateRecord(world.guests, pass.handle.id, ({ outgoing: _over, ...rest }) => rest);
  wakeGuest(world, pass);
  if (belonging === 'Source' || belonging === 'SourceAnew') return after(RECHECK_MS);
  const outcome = await departGuest(departDepsOf(world, pass, record), record, pass.handle);
  if (outcome.type !== 'done')
    world.guests.world.log.warn('a guest that left is looked at again', { move: moveKey(pass.name) });
  return after(RECHECK_MS);
}

async function giveUpOnError(
  world: MoveWorld,
  pass: MovePass,
  work: () => Promise<SourceStep>,
): Promise<SourceStep> {
  try {
    return await work();
  } catch (error) {
    if (pass.signal.aborted) throw error;
    const outcome = outcomeOf(error, 'SendFailed');
    const { reason, message } = outcome.type === 'done' ? { reason: 'SendFailed', message: '' } : outcome;
    await giveUp(world, pass, { phase: 'Failed', reason, message });
    return again;
  }
}
