/**
 * Post-copy: the guest goes on on the target before all its memory is there, and what it touches meanwhile is fetched. From the switch on
 * only the target can run it. https://www.qemu.org/docs/master/devel/migration/postcopy.html
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { Arrival, GuestHandle, TransferPlace } from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { type QmpConnection, QmpError } from '../qmp.ts';
import { type OutgoingRecord, writeRecord } from '../record.ts';
import { listenOn, tlsOf, unlessRefused, uriOf, useCertificates } from './channel.ts';
import { type StandingGuest, standingGuest } from './conductor.ts';
import { type MigrationFacts, migrationFacts } from './facts.ts';
import { passSwitch } from './switch.ts';

/** Both ends have heard each other within this, milliseconds, or are not connected. */
const reconnectMs = 5_000;
const outOfBand = { outOfBand: true } as const;

/** On the target, before it listens. Throws ReasonedError PostCopyNotSupported. */
export async function allowPostCopy(monitor: QmpConnection): Promise<void> {
  const capabilities = [{ capability: 'postcopy-ram', state: true }];
  await monitor.execute('migrate-set-capabilities', { capabilities }).catch((error: unknown) => {
    if (!(error instanceof QmpError)) throw error;
    const message = `the target cannot run a guest before its memory is there (userfaultfd): ${error.message}; move it without allowPostCopy`;
    throw new ReasonedError('PostCopyNotSupported', message, { stalled: true });
  });
}

async function sending(
  context: QemuContext,
  guest: GuestHandle,
): Promise<StandingGuest & { outgoing: OutgoingRecord }> {
  const seen = await standingGuest(context, guest);
  const { outgoing } = seen.record;
  if (outgoing === undefined) throw new ReasonedError('NotSending', `${guest.name} is not being sent`);
  return { ...seen, outgoing };
}

async function note(
  { world }: QemuContext,
  guest: GuestHandle,
  { record, outgoing }: Awaited<ReturnType<typeof sending>>,
  change: Partial<OutgoingRecord>,
): Promise<void> {
  await writeRecord(world.files, guest, { ...record, outgoing: { ...outgoing, ...change } });
}

/** QEMU stops the guest and waits at the switch for `switchOver`, or until the transfer is called off. */
export async function beginPostCopy(context: QemuContext, guest: GuestHandle): Promise<void> {
  const seen = await sending(context, guest);
  if (!seen.outgoing.options.postCopy || seen.outgoing.postCopy === 'Switched') return;
  await note(context, guest, seen, { postCopy: 'Begun' });
  await seen.monitor.execute('migrate-start-postcopy');
}

/** That it was switched is on disk first: what stands here is not the guest any more, whatever becomes of the rest of its memory. */
export async function switchOver(context: QemuContext, guest: GuestHandle): Promise<void> {
  const seen = await sending(context, guest);
  if (seen.outgoing.postCopy === undefined) return;
  const { status } = await migrationFacts(seen.monitor);
  if (status !== 'pre-switchover') return;
  await note(context, guest, seen, { postCopy: 'Switched' });
  await passSwitch(seen.monitor);
}

/** A connection over which nothing comes is ended, so that another can be made: TCP alone would wait for a quarter of an hour. */
export async function disconnect(context: QemuContext, guest: GuestHandle): Promise<void> {
  const { monitor } = await sending(context, guest);
  await unlessRefused(monitor.execute('migrate-pause', {}, outOfBand));
}

/** Sends the rest to where the target listens now; nobody there leaves it as it was. */
export async function reconnect(
  context: QemuContext,
  guest: GuestHandle,
  { address, port }: TransferPlace,
): Promise<void> {
  const seen = await sending(context, guest);
  const { monitor, outgoing } = seen;
  const { clock } = context.world;
  if ((await migrationFacts(monitor)).status !== 'postcopy-paused') return;
  const { tls } = outgoing.options;
  await useCertificates(monitor, tls, 'client');
  if (tls !== undefined) await monitor.execute('migrate-set-parameters', tlsOf(tls, 'client'));
  await monitor.execute('migrate', { uri: uriOf(address, port), resume: true });
  const until = clock.monotonic() + reconnectMs;
  while (clock.monotonic() < until) {
    const { status } = await migrationFacts(monitor);
    if (status === 'postcopy-active' || status === 'completed') return;
    await clock.sleep(20);
  }
}

/** Until what the switch sends is there the guest is `inmigrate`, and one that is told to run then would do so by itself later, past its gate. */
export function arrivalOf({ status, runState }: Pick<MigrationFacts, 'status' | 'runState'>): Arrival {
  if (runState === 'inmigrate') return 'Waited';
  if (status === 'postcopy-paused' || status.startsWith('postcopy-recover')) return 'Paused';
  if (status === 'postcopy-active') return 'Coming';
  // One that was started here has never migrated.
  return status === 'completed' || status === 'none' ? 'Whole' : 'Waited';
}

/** On the target. Throws ReasonedError NotRunning. */
export async function arrival(context: QemuContext, guest: GuestHandle): Promise<Arrival> {
  return arrivalOf(await migrationFacts((await standingGuest(context, guest)).monitor));
}

/** On the target. Asked out of band: QEMU's main loop may itself wait for memory that does not come. Where it listened before it no longer does. */
export async function listenAnew(
  context: QemuContext,
  guest: GuestHandle,
  address: string,
): Promise<TransferPlace | undefined> {
  const { clock } = context.world;
  const monitor = await context.monitors.connect(guest.id, reconnectMs);
  await unlessRefused(monitor.execute('migrate-pause', {}, outOfBand));
  const until = clock.monotonic() + reconnectMs;
  for (;;) {
    try {
      const port = await listenOn(context, (candidate) =>
        monitor.execute('migrate-recover', { uri: uriOf(address, candidate) }, outOfBand),
      );
      return { address, port };
    } catch (error) {
      if (!(error instanceof QmpError)) throw error;
      // It pauses a moment after it was told to.
      if (clock.monotonic() > until) return undefined;
      await clock.sleep(50);
    }
  }
}
