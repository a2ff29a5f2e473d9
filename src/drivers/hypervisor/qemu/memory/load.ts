/** Gives a machine that stands before its first instruction the memory that was kept: it goes on where it stood once it is let run. */
import { pipeline } from 'node:stream/promises';
import { ReasonedError } from '../../../../base/outcome.ts';
import type { GuestHandle } from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import type { QmpConnection } from '../qmp.ts';
import { logPath } from '../record.ts';
import { socketPath } from '../sockets.ts';
import { agreeOn } from '../transfer/channel.ts';
import { migrationFacts } from '../transfer/facts.ts';
import { MEMORY_SOCKET, wholePlace } from './files.ts';

const POLL_MS = 5;

/** QEMU was started to wait for memory. Throws ReasonedError MemoryUnfit with QEMU's last words; it has ended then, or is to be ended. */
export async function loadMemory(
  context: QemuContext,
  guest: GuestHandle,
  { monitor, name }: { monitor: QmpConnection; name: string },
  signal: AbortSignal,
): Promise<void> {
  const { clock, sockets } = context.world;
  const socket = socketPath(context.runDirectory, guest.id, MEMORY_SOCKET);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  try {
    // The disks are opened for writing when it runs, and not before.
    await agreeOn(monitor, {}, { capabilities: { 'late-block-activate': true }, parameters: {} });
    await monitor.execute('migrate-incoming', { uri: `unix:${socket}` });
    const stream = await sockets.connectUnix(socket);
    either.addEventListener('abort', () => stream.destroy(), { once: true });
    const argv = ['dd', `if=${wholePlace(guest, name).state}`, 'bs=1M', 'status=none'];
    const reader = context.world.processes.pipe(argv, { signal: either });
    // QEMU hangs up when it has all it wants: whether that was all is what it says.
    pipeline(reader.output, stream, { signal: either }).catch(() => {});
    for (;;) {
      signal.throwIfAborted();
      const { status, error } = await migrationFacts(monitor);
      if (status === 'completed') return;
      if (status === 'failed') throw new Error(error ?? status);
      await clock.sleep(POLL_MS, signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw await memoryUnfit(context, guest, error);
  } finally {
    stop.abort();
  }
}

async function memoryUnfit(
  { world }: QemuContext,
  guest: GuestHandle,
  error: unknown,
): Promise<ReasonedError> {
  const said = ((await world.files.readText(logPath(guest))) ?? '').trim().split('\n').at(-1) ?? '';
  const cause = said === '' ? (error instanceof Error ? error.message : String(error)) : said;
  const message = `${guest.name} could not go on from the memory that was kept of it, and is booted from its disks: ${cause}`;
  return new ReasonedError('MemoryUnfit', message);
}
