/** Gathers what the source decides from: its record, what stands here, how far the transfer is, where the guest belongs. */
import { strategyOf } from '../../../api/guest.ts';
import { isOver, type Migration } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import type { GuestObservation, TransferProgress } from '../../../drivers/hypervisor/contract.ts';
import { isShared } from '../../guests/gather.ts';
import type { GuestObject } from '../../guests/kind.ts';
import { lockFor } from '../../guests/locks.ts';
import { wantedPower } from '../../guests/power.ts';
import type { GuestRecord, Outgoing } from '../../record.ts';
import { stayingSnapshots } from '../../snapshots/staying.ts';
import { type Belonging, belongingOf } from '../placement.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import type { SourceFacts } from './decide.ts';
import { unasked } from './record.ts';

/** So long a guest that stands still waits for an API server that does not answer. */
const API_PATIENCE_MS = 5_000;

/** So long nothing of a running transfer arrives before it is given up: TCP alone notices a dead link after a quarter of an hour. */
const SILENCE_MS = 30_000;

/** What one side remembers of a move between passes; all of it can be found out again. */
export type SourceMemory = {
  /** Monotonic: since when the guest could not be read. */
  unreadableSince?: number;
  /** The last progress that was written, and when. */
  written?: { transferredBytes: number; at: number };
  /** What had been sent, and since when it has not become more. */
  sent?: { transferredBytes: number; at: number };
  /** The least that was still to send, and since when it has not become less. */
  least?: { remainingBytes: number; at: number };
  downtimeLimitMs?: number;
  measured?: { totalMs: number; downtimeMs: number | undefined };
  /** Monotonic: since when what is left of it is being removed. */
  releasingSince?: number;
  /** The hand-over was tried, or it was looked whether it may be. */
  handOverTried?: true;
  /** It was tried to prepare the hand-over. */
  prepared?: true;
  /** The guest as it was read ahead of its hand-over. Written down is that it is asked for, and nothing was asked yet. */
  ahead?: Stored<GuestObject>;
};

/** With the guest's object as it was read. */
export type SourceView = SourceFacts & { found: Stored<GuestObject> | undefined };

export async function sourceFacts(
  world: MoveWorld,
  pass: MovePass,
  memory: SourceMemory,
): Promise<SourceView> {
  const record = world.guests.records.get(pass.handle.id);
  const written = record?.outgoing?.migration.uid === pass.name.uid ? record.outgoing : undefined;
  // Only who has written it ahead knows that it was not asked.
  const outgoing = written === undefined || memory.ahead === undefined ? written : unasked(written);
  const { transfer, observation } = await whatStands(pass, outgoing, memory);
  const standsStill =
    observation.state === 'HandedOver' ||
    transfer.phase === 'Completed' ||
    transfer.phase === 'AwaitingSwitch';
  // The hand-over reads for itself before it asks: the first time nothing is gained by asking before that.
  const isNew = standsStill && memory.handOverTried === undefined;
  if (standsStill) memory.handOverTried = true;
  const isDecisive =
    outgoing !== undefined &&
    (outgoing.handOver !== undefined ||
      outgoing.givenUp !== undefined ||
      outgoing.held !== undefined ||
      (standsStill && !isNew));
  const { belonging, found } = await whereItBelongs(world, pass, { record, outgoing, isDecisive }, memory);
  const now = world.guests.world.clock.monotonic();
  const silent = isSilent(transfer, memory, now);
  return {
    found,
    silent,
    belonging,
    transfer,
    observation: observation.state,
    migration: viewOf(pass, record, outgoing, silent && transfer.phase !== 'PostCopy' ? SILENCE : undefined),
    record:
      record === undefined
        ? undefined
        : {
            outgoing,
            moved: outgoing === undefined && lockFor(record, pass.name.uid) === 'Other',
            staying: stayingSnapshots(record, (name) => isShared(world.guests, name)),
            runs: record.run.live !== undefined,
          },
    wantedOff: wantedOff(found, record, outgoing ?? pass.migration?.status),
    settledThere: isSettled(pass.migration, found),
    apiIsAway: memory.unreadableSince !== undefined && now - memory.unreadableSince >= API_PATIENCE_MS,
  };
}

/** The guest stands still once its hand-over is prepared: how far its transfer is, tells all, and is asked alone. */
async function whatStands(
  pass: MovePass,
  outgoing: Outgoing | undefined,
  { ahead }: SourceMemory,
): Promise<{ transfer: TransferProgress; observation: Pick<GuestObservation, 'state'> }> {
  const asked = transferOf(pass, outgoing);
  if (ahead !== undefined && (await asked).phase === 'Completed')
    return { transfer: await asked, observation: { state: 'HandedOver' } };
  const [transfer, observation] = await Promise.all([asked, pass.mover.observe(pass.handle)]);
  return { transfer, observation };
}

/** Of this move only: what an earlier one left behind in the driver is not its. */
async function transferOf(
  { mover, handle, name }: MovePass,
  outgoing: Outgoing | undefined,
): Promise<TransferProgress> {
  if (outgoing?.type !== 'Live' || mover.live === undefined) return { phase: 'Idle' };
  const progress = await mover.live.progress(handle).catch((): TransferProgress => ({ phase: 'Idle' }));
  return progress.phase === 'Idle' || progress.id === name.uid ? progress : { phase: 'Idle' };
}

/** The API is asked itself where the answer decides who may run the guest; what the watch shows is enough for the rest. */
async function whereItBelongs(
  world: MoveWorld,
  { mover, guest, signal, migration }: MovePass,
  {
    record,
    outgoing,
    isDecisive,
  }: { record: GuestRecord | undefined; outgoing: Outgoing | undefined; isDecisive: boolean },
  memory: SourceMemory,
): Promise<{ belonging: Belonging; found: Stored<GuestObject> | undefined }> {
  const ends = {
    guestUID: record?.uid ?? migration?.status?.guestUID ?? '',
    source: world.guests.host,
    target: outgoing?.to ?? migration?.status?.targetHost ?? '',
    epoch: outgoing?.epoch ?? migration?.status?.epoch ?? 0,
  };
  const seen = mover.seen(`${guest.namespace}/${guest.name}`);
  if (!isDecisive && seen !== undefined && belongingOf(seen, ends) === 'Source') {
    return { belonging: 'Source', found: seen };
  }
  try {
    const found = await mover.read(guest, signal);
    delete memory.unreadableSince;
    return { belonging: belongingOf(found, ends), found };
  } catch {
    memory.unreadableSince ??= world.guests.world.clock.monotonic();
    return { belonging: 'Unknown', found: seen };
  }
}

function viewOf(
  { migration, now }: MovePass,
  record: GuestRecord | undefined,
  outgoing: Outgoing | undefined,
  silent: Stop | undefined,
): SourceFacts['migration'] {
  if (migration === undefined) return undefined;
  const { status = {}, metadata } = migration;
  const { target } = status;
  return {
    uid: metadata.uid,
    type: status.type ?? 'Offline',
    over: isOver(migration),
    deleting: metadata.deletionTimestamp !== undefined,
    stop: status.cancel ?? timeout(migration, outgoing, now) ?? silent,
    fits: record !== undefined && record.uid === status.guestUID && record.epoch === status.epoch,
    target: target?.state,
    targetFailure:
      target?.reason === undefined ? undefined : { reason: target.reason, message: target.message ?? '' },
    source: status.source?.state,
  };
}

type Stop = { reason: string; message: string };

const SILENCE: Stop = {
  reason: 'NoProgress',
  message: `nothing has reached the other host for ${SILENCE_MS / 1_000} s: look at the network between the hosts; the guest stays`,
};

/** While it sends, and not at the hand-over, where little is sent and both sides are waited for. */
function isSilent(transfer: TransferProgress, memory: SourceMemory, now: number): boolean {
  if (transfer.phase !== 'Disks' && transfer.phase !== 'Memory' && transfer.phase !== 'PostCopy') {
    delete memory.sent;
    return false;
  }
  const { transferredBytes } = transfer;
  if (memory.sent?.transferredBytes !== transferredBytes) memory.sent = { transferredBytes, at: now };
  return now - memory.sent.at >= SILENCE_MS;
}

function timeout({ spec }: Migration, outgoing: Outgoing | undefined, now: number) {
  if (outgoing === undefined || now < outgoing.since + (spec.timeoutSeconds ?? 3_600) * 1_000)
    return undefined;
  return { reason: 'TimedOut', message: 'the move took longer than timeoutSeconds: the guest stays' };
}

function wantedOff(
  found: Stored<GuestObject> | undefined,
  record: GuestRecord | undefined,
  move: { type?: 'Live' | 'Offline' } | undefined,
): SourceFacts['wantedOff'] {
  if (found === undefined || found.metadata.uid !== record?.uid) return undefined;
  if (found.metadata.deletionTimestamp !== undefined) {
    return { reason: 'GuestDeleted', message: 'the guest is being deleted' };
  }
  if (move?.type === 'Live' && wantedPower(strategyOf(found.spec), record.run) === 'Off') {
    return { reason: 'StopRequested', message: 'the guest is to be off' };
  }
  return undefined;
}

/** Without a Migration the guest's own status tells whether its new host looks after it. */
function isSettled(
  migration: Stored<Migration> | undefined,
  found: Stored<GuestObject> | undefined,
): boolean {
  const state = migration?.status?.target?.state;
  if (migration !== undefined && state !== undefined) return state === 'Settled';
  return found?.status?.phase === 'Running' || found?.status?.phase === 'Stopped';
}
