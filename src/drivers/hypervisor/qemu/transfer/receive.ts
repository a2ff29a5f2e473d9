/**
 * The target's side: a process that stands still and listens, then the guest in it, which runs only after the gate. Disks are opened for
 * writing by the exports, and by the guest itself not before it runs (late-block-activate), so that the source can take it back until then.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import type {
  ArrivalGate,
  GuestHandle,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
  ReceiveOptions,
  TransferPlace,
} from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { endProcesses, killGuest, removeTraces } from '../end.ts';
import { launch } from '../launch.ts';
import { look, lookStanding } from '../look.ts';
import { formatNode } from '../plan/ids.ts';
import type { QmpConnection } from '../qmp.ts';
import { type RunRecord, readRecord, writeRecord } from '../record.ts';
import {
  agreeOn,
  announce,
  dropCertificates,
  listenOn,
  tlsOf,
  unlessRefused,
  uriOf,
  useCertificates,
} from './channel.ts';
import { migrationFacts } from './facts.ts';
import { allowPostCopy, arrivalOf } from './postCopy.ts';

export type Receiving = {
  guest: GuestHandle;
  request: MachineRequest;
  hardware: MachineHardware;
  facts: HypervisorFacts;
};

/** Where this transfer's process listens; made unless it stands. Throws ReasonedError, then nothing is left. */
export async function receiveGuest(
  context: QemuContext,
  what: Receiving,
  options: ReceiveOptions,
): Promise<TransferPlace> {
  const standing = await standingFor(context, what.guest, options.id);
  if (standing !== undefined) return standing;
  try {
    const monitor = await launch(context, { ...what, incoming: options.id });
    const place = await openDoors(context, monitor, options);
    const record = await recordOf(context, what.guest);
    await writeRecord(context.world.files, what.guest, { ...record, incoming: { id: options.id, place } });
    return place;
  } catch (error) {
    await killGuest(context, what.guest);
    throw error;
  }
}

/** What stands of an earlier try is finished, or ended: no guest has run in it. */
async function standingFor(
  context: QemuContext,
  guest: GuestHandle,
  id: string,
): Promise<TransferPlace | undefined> {
  const seen = await look(context, guest);
  if (seen.type === 'Unmanageable') throw new ReasonedError(seen.reason, seen.message);
  if (seen.type === 'Standing') {
    const mayRun = seen.state !== 'Incoming' && seen.state !== 'Prelaunch';
    if (mayRun) throw new ReasonedError('GuestRuns', `${guest.name} stands on this host already`);
    const { incoming } = seen.record ?? {};
    if (incoming?.id === id && incoming.place !== undefined) return incoming.place;
    await endProcesses(context, guest);
  }
  await removeTraces(context, guest);
  return undefined;
}

async function recordOf({ world }: QemuContext, guest: GuestHandle): Promise<RunRecord> {
  const record = await readRecord(world.files, guest);
  if (record === undefined) throw new Error(`the run record of ${guest.name} has gone`);
  return record;
}

/** Disks first: memory that has come is a guest that wants them. */
async function openDoors(
  context: QemuContext,
  monitor: QmpConnection,
  { address, disks, tls, postCopy, ...method }: ReceiveOptions,
): Promise<TransferPlace> {
  await useCertificates(monitor, tls, 'server');
  await agreeOn(monitor, method, {
    capabilities: { 'late-block-activate': true },
    parameters: tlsOf(tls, 'server'),
  });
  if (postCopy === true) await allowPostCopy(monitor);
  const exported =
    disks.length === 0 ? undefined : await exportDisks(context, monitor, { address, disks, tls });
  const port = await listenOn(context, (candidate) =>
    monitor.execute('migrate-incoming', { uri: uriOf(address, candidate) }),
  );
  return { address, port, ...(exported === undefined ? {} : { disks: exported }) };
}

async function exportDisks(
  context: QemuContext,
  monitor: QmpConnection,
  { address, disks, tls }: { address: string; disks: readonly string[]; tls: ReceiveOptions['tls'] },
): Promise<NonNullable<TransferPlace['disks']>> {
  const port = await listenOn(context, (candidate) =>
    monitor.execute('nbd-server-start', {
      addr: { type: 'inet', data: { host: address, port: String(candidate) } },
      ...tlsOf(tls, 'server'),
    }),
  );
  for (const [index, disk] of disks.entries()) {
    await monitor.execute('block-export-add', {
      type: 'nbd',
      id: `move-${index}`,
      'node-name': formatNode(disk),
      writable: true,
      name: disk,
    });
  }
  return { port, exports: Object.fromEntries(disks.map((disk) => [disk, disk])) };
}

/**
 * Runs the guest that has arrived; the gate is asked while QEMU is, which answers nobody before all is there. Its mark is taken away after
 * `cont`: until then it counts as on its way, and one that runs counts as running whatever its mark says. Throws ReasonedError NotArrived, and
 * what the gate throws.
 */
export async function arriveGuest(
  context: QemuContext,
  guest: GuestHandle,
  gate: ArrivalGate,
): Promise<void> {
  const here = whoHasCome(context, guest);
  // A gate that is closed may not have waited for it.
  here.catch(() => {});
  await gate(here);
  const { monitor, runs } = await here;
  if (!runs) {
    await monitor.execute('cont');
    await announce(monitor);
  }
  // What comes after it may have to come over another connection.
  if (arrivalOf(await migrationFacts(monitor)) === 'Whole') await dropCertificates(monitor);
  const { incoming: _arrived, ...record } = await recordOf(context, guest);
  await writeRecord(context.world.files, guest, record);
}

/** All that has to be there is, and whoever still holds an export cannot write any more. Throws ReasonedError NotArrived. */
async function whoHasCome(
  context: QemuContext,
  guest: GuestHandle,
): Promise<{ monitor: QmpConnection; runs: boolean }> {
  const seen = await lookStanding(context, guest);
  if (seen === undefined) throw new ReasonedError('NotArrived', `${guest.name} is not on this host`);
  const { monitor, state } = seen;
  if (state === 'Running') return { monitor, runs: true };
  const [facts] = await Promise.all([
    migrationFacts(monitor),
    unlessRefused(monitor.execute('nbd-server-stop')),
  ]);
  if (state !== 'Incoming' || arrivalOf(facts) === 'Waited')
    throw new ReasonedError('NotArrived', `the memory of ${guest.name} has not come (${facts.status})`);
  return { monitor, runs: false };
}
