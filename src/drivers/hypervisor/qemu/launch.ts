/**
 * From a plan to a guest that stands still before its first instruction. A crash between any two lines is harmless: the guest's socket
 * directory exists before its process, so whoever comes next looks for one, and no guest code runs before `cont`.
 */
import { timestamp } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestEnd, GuestHandle, HypervisorFacts, MachineHardware, MachineRequest } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { queryUuid } from './look.ts';
import { nicId } from './plan/ids.ts';
import { firmwareVariables } from './plan/input.ts';
import { planArguments } from './plan/plan.ts';
import type { QmpConnection } from './qmp.ts';
import { logPath, writeRecord } from './record.ts';
import { refusal } from './refusal.ts';
import { machineSockets, socketDirectory } from './sockets.ts';

/** From exec to an answering monitor, in milliseconds; 50 are usual, a busy host needs more. */
const readyMs = 30_000;

export type Launch = {
  guest: GuestHandle;
  request: MachineRequest;
  hardware: MachineHardware;
  facts: HypervisorFacts;
  /** How the run before ended, if that is still to be told. */
  endedBefore?: GuestEnd;
  /** The transfer it waits for, instead of a boot. */
  incoming?: string;
  /** The kept memory it goes on from, instead of a boot. */
  waking?: string;
};

/** The arguments for this guest on this host. Throws ReasonedError. */
export function argumentsFor(
  runDirectory: string,
  { guest, request, hardware, facts, incoming, waking }: Launch,
): string[] {
  if (facts.qemu === undefined) {
    const message = facts.message ?? 'QEMU is not usable on this host';
    throw new ReasonedError(facts.reason ?? 'QemuMissing', message, { stalled: true });
  }
  const plan = planArguments({
    guest,
    request,
    hardware,
    accelerator: facts.accelerator ?? 'tcg',
    qemu: facts.qemu,
    sockets: machineSockets(runDirectory, guest.id),
  });
  return incoming === undefined && waking === undefined ? plan : [...plan, '-incoming', 'defer'];
}

/** Starts the process, stopped before the guest's first instruction, in its own control group, with its uuid confirmed. */
export async function launch(context: QemuContext, what: Launch): Promise<QmpConnection> {
  const { world, cgroups } = context;
  const { guest } = what;
  const argv = argumentsFor(context.runDirectory, what);
  const log = logPath(guest);
  await world.files.makeDirectory(guest.directory, { mode: 0o700 });
  await prepareFirmware(context, what);
  await world.files.remove(log);
  await Promise.all([
    // A boot takes both away with the process they are for.
    world.files.makeDirectory(socketDirectory(context.runDirectory, guest.id), {
      mode: 0o700,
      fleeting: true,
    }),
    cgroups.create(guest.id),
  ]);

  const startedAt = timestamp(world.clock);
  const spawned = await world.processes.spawnDetached(argv, { outputPath: log, cwd: guest.directory });
  let exitCode: number | undefined;
  void spawned.exited.then((code) => {
    exitCode = code;
  });
  const { request, hardware, endedBefore, incoming, waking } = what;
  await writeRecord(world.files, guest, {
    uuid: guest.uuid,
    process: spawned.identity,
    startedAt,
    request,
    hardware,
    ...(endedBefore === undefined ? {} : { endedBefore }),
    ...(incoming === undefined ? {} : { incoming: { id: incoming } }),
    ...(waking === undefined ? {} : { waking }),
  });

  const hasExited = () => exitCode !== undefined;
  try {
    // Entering waits for the kernel as long as QEMU takes to begin.
    const [monitor] = await Promise.all([
      awaitMonitor(context, guest, hasExited),
      cgroups.enter(guest.id, spawned.identity.pid),
    ]);
    await confirmIdentity(monitor, guest);
    await setLinks(monitor, what.request);
    return monitor;
  } catch (error) {
    if (!hasExited() && (await world.processes.isAlive(spawned.identity))) throw error;
    throw refusal(guest.name, (await world.files.readText(log)) ?? '', exitCode);
  }
}

/** The first start copies the empty variables; whole or not at all. */
async function prepareFirmware({ world }: QemuContext, { guest, request, facts }: Launch): Promise<void> {
  const variables = firmwareVariables(guest);
  const empty = facts.qemu?.uefi?.variables;
  if (request.firmware === 'BIOS' || empty === undefined) return;
  if ((await world.files.stat(variables)) !== undefined) return;
  const half = `${variables}.new`;
  await world.files.remove(half);
  await world.files.copy(empty, half);
  await world.files.chmod(half, 0o600);
  await world.files.rename(half, variables);
}

async function awaitMonitor(
  context: QemuContext,
  guest: GuestHandle,
  hasExited: () => boolean,
): Promise<QmpConnection> {
  const { clock } = context.world;
  const until = clock.monotonic() + readyMs;
  for (;;) {
    try {
      return await context.monitors.connect(guest.id, Math.max(100, until - clock.monotonic()));
    } catch (error) {
      if (hasExited() || clock.monotonic() >= until) throw error;
      await clock.sleep(3);
    }
  }
}

async function confirmIdentity(monitor: QmpConnection, guest: GuestHandle): Promise<void> {
  const uuid = await queryUuid(monitor, readyMs);
  if (uuid === guest.uuid) return;
  throw new ReasonedError(
    'ForeignProcess',
    `the monitor of ${guest.name} answers for another guest (uuid ${uuid})`,
  );
}

async function setLinks(monitor: QmpConnection, request: MachineRequest): Promise<void> {
  for (const nic of request.networks) {
    if (nic.linkState === 'Down') await monitor.execute('set_link', { name: nicId(nic.name), up: false });
  }
}
