/**
 * Brings an Off container to Running. Against a second instance stand, in this order: what the control groups hold, LXC's command socket
 * while a monitor lives, and the fixed names of the control groups, which LXC must be able to make new.
 */
import { timestamp } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import { explainFailure } from '../../../base/processes.ts';
import type { ContainerHardware, ContainerRequest, GuestHandle } from '../contract.ts';
import type { LxcContext } from './context.ts';
import { readBootId } from './context.ts';
import { startFailure } from './failure.ts';
import { observe, presenceOf } from './observe.ts';
import { containerPaths } from './paths.ts';
import { planConfig } from './plan.ts';
import { planRebootHook, startCommand } from './reboot.ts';
import type { RunRecord } from './record.ts';

const startTimeoutMs = 120_000;
/** A veth outlives its container by the moment the kernel takes to end the network namespace. */
const linkTimeoutMs = 5_000;

/** The caller holds the guest's lock. */
export async function start(
  context: LxcContext,
  guest: GuestHandle,
  request: ContainerRequest,
  hardware: ContainerHardware,
  gate: () => Promise<void>,
): Promise<void> {
  const before = await observe(context, guest);
  if (before.state === 'Unmanageable') throw new ReasonedError(before.reason, before.message);
  if (before.state !== 'Off') return takeBackKill(context, guest);
  const record = await prepare(context, guest, request, hardware);
  try {
    await gate();
    await launch(context, guest);
  } catch (error) {
    await clearFailedStart(context, guest);
    throw error;
  }
  await complete(context, guest, record);
}

/** A kill that was interrupted before its first signal no longer counts: the next end is the guest's own. */
async function takeBackKill({ records }: LxcContext, guest: GuestHandle): Promise<void> {
  const record = await records.read(guest);
  if (record?.killed === true) await records.write(guest, { ...record, killed: false });
}

/**
 * Everything short of running it. The old log goes before the record is replaced, the record before the start: whenever we are interrupted,
 * record and log together tell one run's story.
 */
async function prepare(
  context: LxcContext,
  guest: GuestHandle,
  request: ContainerRequest,
  hardware: ContainerHardware,
): Promise<RunRecord> {
  const { world, cgroups, records } = context;
  const { files } = world;
  const paths = containerPaths(guest);
  const config = planConfig(guest, request, hardware, cgroups);
  const rebootHook = planRebootHook(guest.id, context.lxcPath, paths);
  await requireRootfs(context, request);
  await Promise.all(request.networks.map((network) => awaitFreeLink(context, network.attachment)));
  await files.makeDirectory(paths.folder, { mode: 0o700 });
  await records.forget(guest);
  await files.remove(paths.log);
  const record: RunRecord = {
    format: 1,
    bootId: await readBootId(world),
    startedAt: timestamp(world.clock),
    request,
    hardware,
  };
  // What LXC reads is written anew before each start: only the record has to outlive the host's power.
  await Promise.all([
    files.writeAtomic(paths.config, config, { mode: 0o600, fleeting: true }),
    files.writeAtomic(paths.rebootHook, rebootHook, { mode: 0o600, fleeting: true }),
    records.write(guest, record),
  ]);
  // Removes only groups without processes: the kernel refuses others, and with them the start.
  await cgroups.remove(guest.id);
  return record;
}

async function launch(context: LxcContext, guest: GuestHandle): Promise<void> {
  const { world, lxcPath } = context;
  const paths = containerPaths(guest);
  const argv = startCommand(guest.id, lxcPath, paths);
  const env = await context.environment();
  // Returns once the container's init has been exec'ed.
  const result = await world.processes.run(argv, { env, timeoutMs: startTimeoutMs });
  if (result.code === 0) return;
  if (result.code === 127)
    throw new ReasonedError('LxcMissing', 'lxc-start is not installed', { stalled: true });
  throw startFailure((await world.files.readText(paths.log)) ?? '', explainFailure(argv, result));
}

/** A failed start leaves no processes and no record, so that it does not count as a run that ended; the log stays for people. */
async function clearFailedStart(context: LxcContext, guest: GuestHandle): Promise<void> {
  await context.cgroups.killAll(guest.id);
  await context.cgroups.remove(guest.id);
  await context.records.forget(guest);
}

/** A container that has ended again by now has its record too: how it ended is told by `observe`. */
async function complete(context: LxcContext, guest: GuestHandle, record: RunRecord): Promise<void> {
  // lxc-start can be a moment ahead of the first process's exec.
  const presence = await presenceOf(context, guest, undefined);
  if (presence.type !== 'Running') return;
  const { init, monitor } = presence;
  context.watchers.track(guest.id, [init.pid, monitor.pid]);
  await context.records.write(guest, { ...record, init, monitor });
}

async function requireRootfs({ world }: LxcContext, { rootfs }: ContainerRequest): Promise<void> {
  if ((await world.files.stat(rootfs.path))?.kind === 'Directory') return;
  throw new ReasonedError('RootfsMissing', `the root file system ${rootfs.path} is not there`);
}

async function awaitFreeLink(
  { world }: LxcContext,
  attachment: ContainerRequest['networks'][number]['attachment'],
): Promise<void> {
  if (attachment.type === 'User') return;
  const until = world.clock.monotonic() + linkTimeoutMs;
  while ((await world.files.stat(`/sys/class/net/${attachment.ifname}`)) !== undefined) {
    if (world.clock.monotonic() > until) {
      throw new ReasonedError(
        'InterfaceExists',
        `interface ${attachment.ifname} exists already on this host`,
      );
    }
    await world.clock.sleep(20);
  }
}
