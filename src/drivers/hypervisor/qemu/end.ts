/**
 * The end of a guest: asking for it, forcing it, and putting away what is left. What is to be remembered of the end is written down before
 * the process is touched, so that a crash in between tells the same story.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type { GuestHandle } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { livingMembers, look, processesOf, queryUuid } from './look.ts';
import { logPath, readRecord, removeRecord, writeRecord } from './record.ts';
import { socketDirectory } from './sockets.ts';

/** QEMU writes out its caches when it quits, which a dead disk can hold up: after this it is killed. */
const quitMs = 1_000;
/** A process that does not even die of SIGKILL waits for its disk. */
const killMs = 10_000;

/** Ends all processes of the guest; resolves when none is left. Throws ReasonedError ProcessesRemain. */
export async function endProcesses(context: QemuContext, guest: GuestHandle): Promise<void> {
  const own = await ownProcesses(context, guest);
  if (own.length > 0) await quit(context, guest, own);
  for (const identity of own) await context.world.processes.signal(identity, 'SIGKILL');
  await context.cgroups.killAll(guest.id, { timeoutMs: killMs });
  if (!(await dead(context, own, killMs))) {
    const message = `QEMU of ${guest.name} does not die: its storage does not answer; it ends when the storage is back or the host restarts`;
    throw new ReasonedError('ProcessesRemain', message);
  }
  context.monitors.forget(guest.id);
}

/** The recorded process and what a crashed start left: each is told by a fact that no other process shares. */
async function ownProcesses(context: QemuContext, guest: GuestHandle): Promise<ProcessIdentity[]> {
  const { files, processes } = context.world;
  const record = await readRecord(files, guest);
  const directory = socketDirectory(context.runDirectory, guest.id);
  const isPutAway = (await files.stat(directory)) === undefined;
  const found = isPutAway ? [] : await processesOf(context, guest);
  const recorded = record !== undefined && (await processes.isAlive(record.process)) ? [record.process] : [];
  return [...recorded, ...found.filter(({ pid }) => pid !== recorded[0]?.pid)];
}

/** Asks QEMU to end, if it is this guest that answers; whatever goes wrong, the signal comes next. */
async function quit(context: QemuContext, guest: GuestHandle, own: ProcessIdentity[]): Promise<void> {
  try {
    const monitor = await context.monitors.connect(guest.id, quitMs);
    if ((await queryUuid(monitor, quitMs)) !== guest.uuid) return;
    await monitor.execute('quit', {}, { timeoutMs: quitMs });
    await dead(context, own, quitMs);
  } catch {
    context.world.log.debug('QEMU does not answer quit', { guest: guest.name });
  }
}

/** True as soon as none of them lives; false after `timeoutMs`. */
async function dead(
  context: QemuContext,
  own: readonly ProcessIdentity[],
  timeoutMs: number,
): Promise<boolean> {
  const { clock, processes } = context.world;
  const until = clock.monotonic() + timeoutMs;
  for (;;) {
    const alive = await Promise.all(own.map((identity) => processes.isAlive(identity)));
    if (!alive.includes(true)) return true;
    if (clock.monotonic() >= until) return false;
    await clock.sleep(5);
  }
}

/** Puts away a finished guest's process, its sockets and control group; the record says how it ended. */
export async function reap(
  context: QemuContext,
  guest: GuestHandle,
  ended: 'PoweredOff' | 'Crashed',
): Promise<void> {
  const record = await readRecord(context.world.files, guest);
  if (record !== undefined) await writeRecord(context.world.files, guest, { ...record, ended });
  await endProcesses(context, guest);
  await removeTraces(context, guest);
}

/** Ends the guest by force, and forgets how its last run ended. Throws ReasonedError ProcessesRemain, ForeignProcess. */
export async function killGuest(context: QemuContext, guest: GuestHandle): Promise<void> {
  const { files } = context.world;
  const record = await readRecord(files, guest);
  if (record !== undefined && record.uuid !== guest.uuid) {
    const message = `what runs as ${guest.name} was started as another guest (uuid ${record.uuid}): it is not ended`;
    throw new ReasonedError('ForeignProcess', message, { stalled: true });
  }
  if (record !== undefined && record.killed !== true) {
    await writeRecord(files, guest, { ...record, killed: true });
  }
  await endProcesses(context, guest);
  await removeTraces(context, guest);
  await removeRecord(files, guest);
}

/** Removes everything but the guest's own UEFI variables. Throws ReasonedError GuestStillRuns. */
export async function removeGuest(context: QemuContext, guest: GuestHandle): Promise<void> {
  const seen = await look(context, guest);
  if (seen.type !== 'Gone') {
    const message = `${guest.name} still has a process: kill it before removing it`;
    throw new ReasonedError('GuestStillRuns', message);
  }
  await removeTraces(context, guest);
  await removeRecord(context.world.files, guest);
  await context.world.files.remove(logPath(guest));
}

/** Removes sockets and the control group of a guest without processes. */
export async function removeTraces(context: QemuContext, guest: GuestHandle): Promise<void> {
  await context.world.files.removeTree(socketDirectory(context.runDirectory, guest.id));
  if ((await livingMembers(context, guest.id)).length === 0) await context.cgroups.remove(guest.id);
}
