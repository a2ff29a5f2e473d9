/** What stands of a container on this host, told from /proc, its control groups, the record and LXC's log; it starts no program. */
import { timeOf } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type { GuestEnd, GuestHandle, GuestObservation } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { readBootId } from './context.ts';
import { lastRun, readEnd } from './end.ts';
import { containerPaths, payloadGroup } from './paths.ts';
import type { Presence } from './presence.ts';
import { findPresence, recordedPresence } from './presence.ts';
import type { RunRecord } from './record.ts';

/** A container between two states is looked at again for this long before that is what we say. */
const settleMs = 3_000;
/** A guest that reboots in a loop must not fill the host's disk with LXC's log. */
const maxLogBytes = 2 ** 20;

export async function observe(context: LxcContext, guest: GuestHandle): Promise<GuestObservation> {
  const record = await context.records.read(guest);
  const presence = await presenceOf(context, guest, record);
  switch (presence.type) {
    case 'Nothing': {
      const ended = await endOf(context, guest, record);
      return ended === undefined ? { state: 'Off' } : { state: 'Off', ended };
    }
    case 'Running':
      return observeRunning(context, guest, record, presence);
    case 'MonitorLost':
      context.watchers.track(guest.id, presence.pids);
      return {
        state: 'Unmanageable',
        reason: 'MonitorLost',
        message: `LXC's monitor died while the container runs on (pids ${presence.pids.slice(0, 5).join(', ')}): set spec.runStrategy to Halted, which ends it by force after spec.shutdown.timeoutSeconds, then back`,
        killable: true,
      };
    case 'Changing':
      return unmanageable(
        'Changing',
        'the container is starting or stopping and does not come to an end of it',
      );
  }
}

/** What lives of the container, once it is not between two states; what a record says is looked at first. */
export async function presenceOf(
  { world, cgroups }: LxcContext,
  guest: GuestHandle,
  record: RunRecord | undefined,
): Promise<Presence> {
  const recorded = await recordedPresence(world, cgroups, guest.id, record);
  if (recorded !== undefined) return recorded;
  const until = world.clock.monotonic() + settleMs;
  for (;;) {
    const presence = await findPresence(world, cgroups, guest.id);
    if (presence.type !== 'Changing' || world.clock.monotonic() > until) return presence;
    await world.clock.sleep(20);
  }
}

async function observeRunning(
  context: LxcContext,
  guest: GuestHandle,
  record: RunRecord | undefined,
  { init, monitor }: { init: ProcessIdentity; monitor: ProcessIdentity },
): Promise<GuestObservation> {
  context.watchers.track(guest.id, [init.pid, monitor.pid]);
  const known = record?.init?.pid === init.pid && record.init.startTicks === init.startTicks;
  const startedAt = known ? record.startedAt : await startTime(context, init);
  if (!known) await context.locks.whenFree(guest.id, () => adopt(context, guest, init, monitor, startedAt));
  const frozen = await context.cgroups.isFrozen(payloadGroup(guest.id));
  return { state: frozen ? 'Paused' : 'Running', process: init, startedAt };
}

/** Records a container that was found by its control group: we were interrupted while starting it, or it rebooted itself. */
async function adopt(
  context: LxcContext,
  guest: GuestHandle,
  init: ProcessIdentity,
  monitor: ProcessIdentity,
  startedAt: string,
): Promise<void> {
  const { records, world } = context;
  const record = await records.read(guest);
  if (record === undefined) return;
  const { ended: _, ...run } = record;
  await records.write(guest, { ...run, init, monitor, startedAt });
  await shortenLog(world.files, containerPaths(guest).log);
}

/** Keeps the present run, whose start tells later how it ended. LXC appends, so that what it writes next goes behind. */
async function shortenLog(files: Files, path: string): Promise<void> {
  if (((await files.stat(path))?.sizeBytes ?? 0) <= maxLogBytes) return;
  await files.writeInPlace(path, lastRun((await files.readText(path)) ?? ''));
}

/** The end is settled in the record once, because the log may be gone or overwritten later. */
async function endOf(
  context: LxcContext,
  guest: GuestHandle,
  record: RunRecord | undefined,
): Promise<GuestEnd | undefined> {
  const { world } = context;
  if (record === undefined || record.killed === true) return undefined;
  if (record.ended !== undefined) return record.ended;
  const log = (await world.files.readText(containerPaths(guest).log)) ?? '';
  const sameBoot = record.bootId === (await readBootId(world));
  const ended =
    readEnd(log, sameBoot) ?? (record.init === undefined ? undefined : sameBoot ? 'Crashed' : 'HostRebooted');
  if (ended === undefined) return undefined;
  await context.locks.whenFree(guest.id, () => settle(context, guest, record, ended));
  return ended;
}

async function settle(
  { records, cgroups, world }: LxcContext,
  guest: GuestHandle,
  seen: RunRecord,
  ended: GuestEnd,
): Promise<void> {
  // A start or a kill may have come in between: then what we saw is of a run that no longer counts.
  if (JSON.stringify(await records.read(guest)) !== JSON.stringify(seen)) return;
  await records.write(guest, { ...seen, ended });
  await cgroups.remove(guest.id).catch((error: unknown) => {
    world.log.warn('control groups of an ended container stay for now', {
      id: guest.id,
      error: String(error),
    });
  });
}

/** From the kernel's clock: field 22 of /proc/PID/stat counts from boot in 1/100 s (proc(5), USER_HZ). */
async function startTime({ world }: LxcContext, init: ProcessIdentity): Promise<string> {
  const uptimeSeconds = Number(((await world.files.readText('/proc/uptime')) ?? '0').split(' ')[0]);
  const bootMs = world.clock.now() - uptimeSeconds * 1000;
  return timeOf(bootMs + init.startTicks * 10);
}

function unmanageable(reason: string, message: string): GuestObservation {
  return { state: 'Unmanageable', reason, message };
}
