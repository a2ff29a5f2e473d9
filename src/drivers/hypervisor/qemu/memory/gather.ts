/**
 * Writes the memory of a running machine into a file: QEMU sends it as to another host, to a socket of ours, and waits before the last of it
 * for us (pause-before-switchover), so that disks can be kept at the same moment. A sender whose reader dies lets its guest run on by itself.
 * https://www.qemu.org/docs/master/devel/migration/main.html
 */
import { pipeline } from 'node:stream/promises';
import { ReasonedError } from '../../../../base/outcome.ts';
import type { GuestHandle } from '../../contract.ts';
import type { QemuContext } from '../context.ts';
import { lookStanding } from '../look.ts';
import { QmpError } from '../qmp.ts';
import { socketPath } from '../sockets.ts';
import { hasWoken } from '../start.ts';
import { agreeOn, unlessRefused } from '../transfer/channel.ts';
import { type MigrationFacts, migrationFacts } from '../transfer/facts.ts';
import { halfPlace, MEMORY_SOCKET } from './files.ts';

/** How long the guest may stand still for the last of its memory, by QEMU's own estimate, milliseconds. */
const STILL_MS = 300;
/** No limit: QEMU's own is 128 MiB/s. */
const BYTES_PER_SECOND = 2 ** 40;
/** Memory that changes faster than it is written is stopped after it has been written so many times: the file holds all of it. */
const MOST_TIMES = 2;
/** What the file takes beyond the memory: devices, and pages that are written twice. */
const BEYOND_BYTES = 64 * 2 ** 20;
const POLL_MS = 20;

/** Memory on its way into a file. `stillSince`: monotonic milliseconds, once the guest stands still. */
export type Gathering = { name: string; written: Promise<void>; stillSince: number };

/** Resolves when the guest stands still. Throws ReasonedError MemoryNotKept, StateDirectoryFull; then `letGo` is to be called. */
export async function gatherMemory(
  context: QemuContext,
  guest: GuestHandle,
  name: string,
  signal: AbortSignal,
): Promise<Gathering> {
  const { clock, files } = context.world;
  const seen = await lookStanding(context, guest);
  if (seen?.state !== 'Running' || seen.record === undefined)
    throw memoryNotKept(`${guest.name} does not run`);
  await hasWoken(context, guest);
  const { memoryBytes } = seen.record.request;
  await checkRoom(context, guest, memoryBytes);
  const { directory, state } = halfPlace(guest, name);
  await files.removeTree(directory);
  await files.makeDirectory(directory, { mode: 0o700 });
  const { monitor } = seen;
  const written = await openFile(context, guest, state, signal);
  try {
    await agreeOn(
      monitor,
      {},
      {
        capabilities: { 'pause-before-switchover': true, 'postcopy-ram': false, 'auto-converge': false },
        parameters: { 'max-bandwidth': BYTES_PER_SECOND, 'downtime-limit': STILL_MS },
      },
    );
    await monitor.execute('migrate', {
      uri: `unix:${socketPath(context.runDirectory, guest.id, MEMORY_SOCKET)}`,
    });
    for (let isSlowed = false; ; ) {
      signal.throwIfAborted();
      const facts = await migrationFacts(monitor);
      if (facts.status === 'pre-switchover')
        return { name, written: written.ended, stillSince: clock.monotonic() };
      if (hasFailed(facts)) throw await written.explain(facts);
      if (!isSlowed && facts.transferredBytes > MOST_TIMES * memoryBytes) {
        isSlowed = true;
        await monitor.execute('stop');
      }
      await clock.sleep(POLL_MS, signal);
    }
  } catch (error) {
    written.close();
    if (error instanceof QmpError) throw memoryNotKept(error.message);
    throw error;
  }
}

/** True when it will not come any more. */
export function hasFailed({ status }: Pick<MigrationFacts, 'status'>): boolean {
  return status === 'failed' || status === 'cancelled' || status === 'none';
}

export function memoryNotKept(why: string): ReasonedError {
  return new ReasonedError('MemoryNotKept', `the memory of the guest could not be kept: ${why}`);
}

async function checkRoom({ world }: QemuContext, guest: GuestHandle, memoryBytes: number): Promise<void> {
  const { freeBytes } = await world.files.space(guest.directory);
  const lacks = memoryBytes + BEYOND_BYTES - freeBytes;
  if (lacks <= 0) return;
  const message = `memory is kept in ${guest.directory} on the host, which lacks ${lacks} bytes for it: free some space there, or take the snapshot without memory`;
  throw new ReasonedError('StateDirectoryFull', message, { stalled: true });
}

type Written = {
  /** Whole and flushed when it resolves. */
  ended: Promise<void>;
  /** Why there is no more: what the file's writer says is more than that its reader has gone. */
  explain(facts: MigrationFacts): Promise<ReasonedError>;
  close(): void;
};

async function openFile(
  { world, runDirectory }: QemuContext,
  guest: GuestHandle,
  path: string,
  signal: AbortSignal,
): Promise<Written> {
  const socket = socketPath(runDirectory, guest.id, MEMORY_SOCKET);
  await world.files.remove(socket);
  const listener = await world.sockets.listenForOneAt(socket);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const argv = ['dd', `of=${path}`, 'bs=1M', 'iflag=fullblock', 'conv=fsync', 'status=none'];
  const writer = world.processes.pipe(argv, { signal: either });
  let complaint: string | undefined;
  const write = async () => {
    try {
      const stream = await listener.call;
      either.addEventListener('abort', () => stream.destroy(), { once: true });
      await pipeline(stream, writer.input, { signal: either });
    } finally {
      const { code, stderr } = await writer.ended;
      if (code !== 0) complaint = stderr.trim();
    }
    if (complaint !== undefined) throw memoryNotKept(complaint);
  };
  const ended = write();
  ended.catch(() => {});
  return {
    ended,
    explain: async ({ error, status }) => {
      stop.abort();
      await ended.catch(() => {});
      return memoryNotKept(complaint || (error ?? status));
    },
    close: () => {
      listener.close();
      stop.abort();
    },
  };
}

/** Ends a sending that is under way, whoever began it, and lets the guest run on. */
export async function letGoMemory(context: QemuContext, guest: GuestHandle): Promise<void> {
  const { clock } = context.world;
  const seen = await lookStanding(context, guest);
  // What is being sent to another host is not ours to end.
  if (seen === undefined || seen.record?.outgoing !== undefined) return;
  const { monitor } = seen;
  const until = clock.monotonic() + CANCEL_MS;
  for (;;) {
    const { status, runState } = await migrationFacts(monitor);
    if (!MOVING.has(status)) {
      const stands = runState === 'paused' || runState === 'postmigrate' || runState === 'finish-migrate';
      if (stands) await monitor.execute('cont');
      return;
    }
    if (clock.monotonic() > until) throw memoryNotKept('QEMU does not end it');
    await unlessRefused(monitor.execute('migrate_cancel'));
    await clock.sleep(POLL_MS);
  }
}

const CANCEL_MS = 30_000;
const MOVING = new Set(['setup', 'active', 'device', 'wait-unplug', 'pre-switchover', 'cancelling']);
