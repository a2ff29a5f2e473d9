/**
 * What stands of a guest, told from its record, its processes and its monitor; changes nothing. When these three do not agree the answer is
 * Unmanageable: never a guess that it is off.
 */
import { timeOf } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type { GuestEnd, GuestHandle } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { isAbsent } from './monitors.ts';
import { agentChannel } from './plan/ids.ts';
import { findProcesses } from './processes.ts';
import type { QmpConnection } from './qmp.ts';
import { currentBoot, endOf, type RunRecord, readRecord } from './record.ts';
import { machineSockets, socketDirectory } from './sockets.ts';
import { type RunState, runState } from './status.ts';

/** How long QEMU may take to answer before a guest counts as Unmanageable, in milliseconds. */
export const answerMs = 2_500;

export type Look =
  | { type: 'Gone'; record: RunRecord | undefined; ended: GuestEnd | undefined }
  | {
      type: 'Standing';
      state: RunState;
      process: ProcessIdentity;
      startedAt: string;
      agentConnected: boolean;
      /** It stands still because a disk could not be read or written. */
      storageFailed: boolean;
      record: RunRecord | undefined;
      monitor: QmpConnection;
    }
  | { type: 'Unmanageable'; reason: string; message: string; process: ProcessIdentity | undefined };

/** Looks at one guest, within `answerMs`. */
export async function look(context: QemuContext, guest: GuestHandle): Promise<Look> {
  const record = await readRecord(context.world.files, guest);
  const until = context.world.clock.monotonic() + answerMs;
  for (;;) {
    const process = await livingProcess(context, guest, record);
    if (process === undefined) return gone(context, guest, record);
    try {
      const left = Math.max(100, until - context.world.clock.monotonic());
      return await ask(context, guest, { record, process }, left);
    } catch (error) {
      if (context.world.clock.monotonic() >= until) return unanswered(process, error);
      // A process that is about to end, or has not opened its monitor yet: look again, soon.
      await context.world.clock.sleep(20);
    }
  }
}

/** The guest as it stands; undefined: it is off. Throws ReasonedError when it is Unmanageable. */
export async function lookStanding(
  context: QemuContext,
  guest: GuestHandle,
): Promise<Extract<Look, { type: 'Standing' }> | undefined> {
  const seen = await look(context, guest);
  if (seen.type === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  return seen.type === 'Standing' ? seen : undefined;
}

/** Its living processes by their command lines, recorded or not. */
export async function processesOf(
  { world, runDirectory }: QemuContext,
  guest: GuestHandle,
): Promise<ProcessIdentity[]> {
  const found = await findProcesses(world, runDirectory);
  return found.filter(({ id }) => id === guest.id).map(({ identity }) => identity);
}

/** The guest's living process: the recorded one, or the one a crashed start or a lost record left. A guest put away has no directory. */
async function livingProcess(
  context: QemuContext,
  guest: GuestHandle,
  record: RunRecord | undefined,
): Promise<ProcessIdentity | undefined> {
  const { files, processes } = context.world;
  if (record !== undefined && (await processes.isAlive(record.process))) return record.process;
  const directory = socketDirectory(context.runDirectory, guest.id);
  if ((await files.stat(directory)) === undefined) return undefined;
  const [found] = await processesOf(context, guest);
  return found;
}

async function gone(context: QemuContext, guest: GuestHandle, record: RunRecord | undefined): Promise<Look> {
  const members = await livingMembers(context, guest.id);
  if (members.length > 0) {
    const message = `processes ${members.join(', ')} are in the guest's control group, but its QEMU is gone`;
    return { type: 'Unmanageable', reason: 'ProcessesRemain', message, process: undefined };
  }
  context.monitors.forget(guest.id);
  return { type: 'Gone', record, ended: endOf(record, await currentBoot(context.world.files)) };
}

/** Members of the guest's control group that still live: a zombie is dead. */
export async function livingMembers({ cgroups, world }: QemuContext, id: string): Promise<number[]> {
  const members = await cgroups.members(id);
  const alive = await Promise.all(members.map((pid) => world.processes.identify(pid)));
  return members.filter((_, index) => alive[index] !== undefined);
}

type Known = { record: RunRecord | undefined; process: ProcessIdentity };

async function ask(
  context: QemuContext,
  guest: GuestHandle,
  { record, process }: Known,
  timeoutMs: number,
): Promise<Look> {
  const monitor = await context.monitors.connect(guest.id, timeoutMs);
  const [uuid, status, channels] = await Promise.all([
    queryUuid(monitor, timeoutMs),
    monitor.execute('query-status', {}, { timeoutMs }),
    monitor.execute('query-chardev', {}, { timeoutMs }),
  ]);
  if (uuid !== guest.uuid) {
    const message = `the monitor of ${guest.name} answers for another guest (uuid ${uuid}): nothing is done to it`;
    return { type: 'Unmanageable', reason: 'ForeignProcess', message, process: undefined };
  }
  const word = (status as { status: string }).status;
  return {
    type: 'Standing',
    state: stateOf(word, record),
    storageFailed: word === 'io-error',
    process,
    startedAt: record?.startedAt ?? (await socketTime(context, guest)),
    agentConnected: isAgentConnected(channels),
    record,
    monitor,
  };
}

/**
 * A guest that has arrived stands paused until it is run here for the first time. One whose memory follows it is the target's: what stands
 * here is what it has left, until it is taken back.
 */
function stateOf(status: string, record: RunRecord | undefined): RunState {
  const state = runState(status);
  // It was about to go on from its memory: nothing of it has run in this process, unless it runs or a disk has stopped it.
  const isWaking = record?.waking !== undefined && (state === 'Incoming' || status === 'paused');
  if (isWaking) return 'Prelaunch';
  const hasLeft = record?.outgoing?.postCopy === 'Switched';
  if (hasLeft && (state === 'Paused' || status === 'finish-migrate')) return 'HandedOver';
  return state === 'Paused' && record?.incoming !== undefined ? 'Incoming' : state;
}

/** The identity QEMU was started with. */
export async function queryUuid(monitor: QmpConnection, timeoutMs: number): Promise<string> {
  const answer = (await monitor.execute('query-uuid', {}, { timeoutMs })) as { UUID: string };
  return answer.UUID;
}

/** A guest opens its end of the channel when its agent runs. */
function isAgentConnected(channels: unknown): boolean {
  const list = channels as { label: string; 'frontend-open': boolean }[];
  return list.some((channel) => channel.label === agentChannel && channel['frontend-open']);
}

/** When a guest without a record was started: QEMU made its socket then. */
async function socketTime({ world, runDirectory }: QemuContext, guest: GuestHandle): Promise<string> {
  const stat = await world.files.stat(machineSockets(runDirectory, guest.id).qmp);
  return timeOf(stat?.modifiedMs ?? world.clock.now());
}

function unanswered(process: ProcessIdentity, error: unknown): Look {
  const cause = error instanceof Error ? error.message : String(error);
  const message = `QEMU lives as process ${process.pid} but does not answer: ${cause}`;
  const reason = isAbsent(error)
    ? 'MonitorMissing'
    : error instanceof ReasonedError
      ? error.reason
      : 'NoAnswer';
  return { type: 'Unmanageable', reason, message, process };
}
