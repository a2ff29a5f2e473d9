/** What this host remembers of a container's last run: written before it starts, completed when it runs, settled when it has ended. */
import type { Files } from '../../../base/files.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type { ContainerHardware, ContainerRequest, GuestEnd, GuestHandle } from '../contract.ts';
import { containerPaths } from './paths.ts';

export type RunRecord = {
  format: 1;
  bootId: string;
  startedAt: string;
  /** As it was started: what pending changes are compared with. */
  request: ContainerRequest;
  hardware: ContainerHardware;
  /** Absent while the start has not been seen to succeed: then the control group tells. */
  init?: ProcessIdentity;
  monitor?: ProcessIdentity;
  /** Written before the first signal of a kill, so that a kill never looks like a crash. */
  killed?: boolean;
  /** How the run ended, once it was found out. */
  ended?: GuestEnd;
};

export type Records = {
  read(guest: GuestHandle): Promise<RunRecord | undefined>;
  /** Durable when it resolves. */
  write(guest: GuestHandle, record: RunRecord): Promise<void>;
  forget(guest: GuestHandle): Promise<void>;
};

export function createRecords(files: Files): Records {
  return {
    read: async (guest) => parseRecord(await files.readText(containerPaths(guest).record)),
    write: (guest, record) =>
      files.writeAtomic(containerPaths(guest).record, `${JSON.stringify(record, undefined, 2)}\n`, {
        mode: 0o600,
      }),
    forget: (guest) => files.remove(containerPaths(guest).record),
  };
}

/** A text that is no record of this format counts as none: living processes are found by control group all the same. */
export function parseRecord(text: string | undefined): RunRecord | undefined {
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<RunRecord> | null;
    const whole = record?.format === 1 && typeof record.bootId === 'string' && record.request !== undefined;
    return whole ? (record as RunRecord) : undefined;
  } catch {
    return undefined;
  }
}
