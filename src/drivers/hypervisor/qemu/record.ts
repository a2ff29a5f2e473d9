/**
 * What the driver remembers of a guest's run, as `run.json` in the guest's directory: written as soon as the process exists, so that whoever
 * finds a guest after a crash knows what it is and what it runs with. Until then it tells of the run before.
 */
import type { Files } from '../../../base/files.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type {
  GuestEnd,
  GuestHandle,
  MachineHardware,
  MachineRequest,
  SendOptions,
  TransferPlace,
} from '../contract.ts';

/** `place` is known once the process listens. */
export type IncomingRecord = { id: string; place?: TransferPlace };

/** `startedMs`: wall clock. `failure`: why it ended; the guest runs on here. */
export type OutgoingRecord = {
  id: string;
  place: TransferPlace;
  options: SendOptions;
  startedMs: number;
  /** Written before QEMU is told: until then what it says of memory is of a transfer before. */
  memoryBegun?: boolean;
  /** Each written before QEMU is told. Begun: it waits for the switch. Switched: its memory follows it to the target. */
  postCopy?: 'Begun' | 'Switched';
  failure?: { reason: string; message: string };
};

export type RunRecord = {
  uuid: string;
  process: ProcessIdentity;
  /** RFC 3339. */
  startedAt: string;
  /** What really runs: live changes are written here too. */
  request: MachineRequest;
  hardware: MachineHardware;
  /** How the run before ended: told again when this one is called off before the guest ran. */
  endedBefore?: GuestEnd;
  /** How the run came to its end, known before the process was ended by us. */
  ended?: GuestEnd;
  /** Waits for the guest from another host, or has received it and not run it yet. */
  incoming?: IncomingRecord;
  /** Name of the kept memory it goes on from: it has not run yet, unless it is seen to. */
  waking?: string;
  /** Is being sent to another host. */
  outgoing?: OutgoingRecord;
  /** Somebody asked for the end by force: no crash when the process is gone. */
  killed?: boolean;
};

const recordPath = (guest: GuestHandle) => `${guest.directory}/run.json`;

/** Where QEMU's own messages of this run go. */
export const logPath = (guest: GuestHandle): string => `${guest.directory}/qemu.log`;

/** The record, or undefined when the guest never ran here or its run is done with. */
export async function readRecord(files: Files, guest: GuestHandle): Promise<RunRecord | undefined> {
  const text = await files.readText(recordPath(guest));
  return text === undefined ? undefined : (JSON.parse(text) as RunRecord);
}

/** Durable when it resolves. */
export async function writeRecord(files: Files, guest: GuestHandle, record: RunRecord): Promise<void> {
  await files.writeAtomic(recordPath(guest), `${JSON.stringify(record, undefined, 1)}\n`, { mode: 0o600 });
}

export async function removeRecord(files: Files, guest: GuestHandle): Promise<void> {
  await files.remove(recordPath(guest));
}

/** The boot this host is in. */
export async function currentBoot(files: Files): Promise<string> {
  return ((await files.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}

/** How a run ended whose process is gone; undefined: nothing to tell (it was killed, or never ran). */
export function endOf(record: RunRecord | undefined, bootId: string): GuestEnd | undefined {
  // A guest that was on its way here has not run here.
  if (record === undefined || record.killed === true || record.incoming !== undefined) return undefined;
  if (record.ended !== undefined) return record.ended;
  return record.process.bootId === bootId ? 'Crashed' : 'HostRebooted';
}
