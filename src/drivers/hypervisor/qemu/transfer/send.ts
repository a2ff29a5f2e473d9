/**
 * The source's side. What is to be done next follows from what QEMU says and from the run record, so that whoever comes after a crash goes
 * on: mirrors, then memory, then at the switch the last of the disks and the last of the memory. QEMU stops between the two and waits for us.
 */
import type { Clock } from '../../../../base/clock.ts';
import { ReasonedError } from '../../../../base/outcome.ts';
import type { TransferLimits, TransferProgress } from '../../contract.ts';
import type { QmpConnection } from '../qmp.ts';
import type { OutgoingRecord } from '../record.ts';
import { agreeOn, tlsOf, uriOf, useCertificates } from './channel.ts';
import { beginMirrors, completeMirrors, copyFailed, keepUp, limitMirrors } from './disks.ts';
import { type MigrationFacts, type MirrorFacts, migrationFacts, mirrorFacts } from './facts.ts';
import { passSwitch } from './switch.ts';

/** QEMU's own limit without a word from us is 128 MiB/s; this is none. */
const unlimited = 2 ** 40;
/** MigrationStatus of a transfer that is under way. */
const moving = new Set(['setup', 'active', 'device', 'wait-unplug', 'pre-switchover', 'cancelling']);

/** A guest that is being sent. */
export type Sending = { monitor: QmpConnection; outgoing: OutgoingRecord };
export type Standing = { migration: MigrationFacts; mirrors: readonly MirrorFacts[] };

/** What QEMU says of this transfer. */
export async function standing({ monitor, outgoing }: Sending): Promise<Standing> {
  const [migration, mirrors] = await Promise.all([migrationFacts(monitor), mirrorFacts(monitor)]);
  return { migration: { ...migration, status: statusOf(migration, outgoing) }, mirrors };
}

/**
 * QEMU goes on telling how the transfer before this one ended, until this one's memory begins; and says `completed` a moment before the
 * guest is put to rest for good.
 */
function statusOf({ status, runState }: MigrationFacts, { memoryBegun }: OutgoingRecord): string {
  if (memoryBegun !== true) return 'none';
  if (status !== 'completed' || runState === 'postmigrate') return status;
  return runState === 'finish-migrate' ? 'device' : 'none';
}

/** True while the memory can still come back by itself. */
export function isMoving({ status }: Pick<MigrationFacts, 'status'>): boolean {
  return moving.has(status);
}

/** Where the guest cannot be called back: its memory is the target's, or follows it there. */
export function hasLeft({ status }: Pick<MigrationFacts, 'status'>): boolean {
  return status === 'completed' || status.startsWith('postcopy');
}

export type AdvanceDeps = {
  clock: Clock;
  /** Durable when it resolves. */
  noteMemoryBegun(): Promise<void>;
};

/** `Begun`: another step may be due at once. `Done`: what was seen is not so any more. Else how the transfer stands; there was nothing to do. */
export type Advance = 'Begun' | 'Done' | Standing;

/** Makes the next step, if one is due. Throws when the transfer cannot go on. */
export async function advance(deps: AdvanceDeps, sending: Sending): Promise<Advance> {
  const { monitor, outgoing } = sending;
  const seen = await standing(sending);
  const { migration, mirrors } = seen;
  const { status } = migration;
  if (hasLeft(migration)) return seen;
  if (status === 'failed' || status === 'cancelled') {
    // Some versions of QEMU let it run on here by themselves: it is the target's by now, until that gives it back.
    if (outgoing.postCopy === 'Switched') await monitor.execute('stop');
    throw new ReasonedError('TransferFailed', `QEMU could not send the memory: ${migration.error ?? status}`);
  }
  const failed = mirrors.find(({ state }) => state === 'Failed');
  if (failed !== undefined) throw copyFailed(failed.error);
  if (status === 'pre-switchover') {
    await completeMirrors(monitor, mirrors, deps.clock);
    if (outgoing.postCopy !== 'Begun') await passSwitch(monitor);
    return 'Done';
  }
  // One that ends while the guest still runs has not got its last writes.
  const endedEarly = mirrors.some(({ state }) => state === 'Done');
  if (endedEarly && status !== 'device') throw copyFailed(undefined);
  if (isMoving(migration)) return seen;
  if (mirrors.length < Object.keys(outgoing.place.disks?.exports ?? {}).length) {
    // Those of mirrors that an earlier agent has begun are in use, and the same.
    if (mirrors.length === 0) await useCertificates(monitor, outgoing.options.tls, 'client');
    await beginMirrors(monitor, outgoing.place, outgoing.options);
    return 'Begun';
  }
  if (mirrors.some(({ state }) => state === 'Copying')) return seen;
  await keepUp(
    monitor,
    mirrors.map(({ job }) => job),
  );
  if (mirrors.length === 0) await useCertificates(monitor, outgoing.options.tls, 'client');
  await deps.noteMemoryBegun();
  await sendMemory(monitor, outgoing);
  return 'Done';
}

async function sendMemory(monitor: QmpConnection, { place, options }: OutgoingRecord): Promise<void> {
  await agreeOn(monitor, options, {
    capabilities: {
      'pause-before-switchover': true,
      'auto-converge': options.autoConverge,
      'postcopy-ram': options.postCopy,
      xbzrle: options.compression === 'XBZRLE',
    },
    parameters: { ...limitsOf(options), ...tlsOf(options.tls, 'client') },
  });
  await monitor.execute('migrate', { uri: uriOf(place.address, place.port) });
}

function limitsOf({ bytesPerSecond, downtimeMs }: TransferLimits): Readonly<Record<string, number>> {
  return {
    'max-bandwidth': bytesPerSecond ?? unlimited,
    // Of what is not asked for; 0 is no limit.
    'max-postcopy-bandwidth': bytesPerSecond ?? 0,
    'downtime-limit': Math.min(2_000_000, Math.max(1, Math.round(downtimeMs))),
  };
}

/** Other limits for what is under way. */
export async function adjustLimits(monitor: QmpConnection, limits: TransferLimits): Promise<void> {
  await monitor.execute('migrate-set-parameters', limitsOf(limits));
  await limitMirrors(monitor, limits.bytesPerSecond);
}

/** In the words of the contract. */
export function progressOf(
  { migration, mirrors }: Standing,
  { id, startedMs, postCopy }: OutgoingRecord,
  now: number,
): TransferProgress {
  const { status, downtimeMs } = migration;
  const sum = (pick: (mirror: MirrorFacts) => number) => mirrors.reduce((total, one) => total + pick(one), 0);
  const begun = status !== 'none';
  return {
    phase: phaseOf(migration, postCopy, mirrors),
    id,
    transferredBytes: (begun ? migration.transferredBytes : 0) + sum(({ copiedBytes }) => copiedBytes),
    remainingBytes:
      status === 'completed' ? 0 : (begun ? migration.remainingBytes : 0) + sum(({ leftBytes }) => leftBytes),
    totalMs: Math.max(0, now - startedMs),
    ...(downtimeMs === undefined || !begun ? {} : { downtimeMs }),
  };
}

function phaseOf(
  { status, runState }: Pick<MigrationFacts, 'status' | 'runState'>,
  postCopy: OutgoingRecord['postCopy'],
  mirrors: readonly MirrorFacts[],
): Exclude<TransferProgress['phase'], 'Idle' | 'Failed'> {
  if (status === 'completed') return 'Completed';
  if (status === 'postcopy-paused') return 'PostCopyPaused';
  if (postCopy === 'Switched') return 'PostCopy';
  const isWaiting = postCopy === 'Begun' && status === 'pre-switchover';
  if (isWaiting && mirrors.every(({ state }) => state === 'Done')) return 'AwaitingSwitch';
  // QEMU stops the guest, sends nearly all of the rest, and only then says that it switches over.
  const isStopped = status === 'active' && runState === 'finish-migrate';
  if (isStopped || status === 'pre-switchover' || status === 'device') return 'SwitchingOver';
  return moving.has(status) ? 'Memory' : 'Disks';
}
