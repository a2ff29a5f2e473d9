/**
 * The simulated guests of one host in one file, so that they outlive the agent as real ones do. One line of JSON for each guest; changes that
 * arrive while a write is under way go together into the next one, so a thousand starts do not become a thousand rewrites.
 */
import { dirname } from 'node:path';
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestEnd } from '../contract.ts';

/** What stands of one simulated guest. */
export type SimulatedGuest = {
  id: string;
  uuid: string;
  state: 'Off' | 'Running' | 'Paused' | 'Incoming' | 'HandedOver';
  /** How the last run ended; absent when it was killed or never ran. */
  ended?: GuestEnd;
  /** RFC 3339. */
  startedAt: string;
  /** Counts starts on this host: stands for the start time of a process. */
  startTicks: number;
  /** The request it runs with. */
  request: unknown;
  /** Wall clock, ms since the epoch: when it will have followed a shutdown request. */
  stopsAtMs?: number;
  /** Its file systems are frozen by its agent. */
  frozen?: true;
  /** Wall clock, ms since the epoch: when the copies of its disks will be whole. */
  copiedAtMs?: number;
  /** Marks on its disks, lost with its process. */
  marks?: readonly string[];
  /** Name of the kept memory that this run went on from. */
  woke?: string;
  /** The hardware it runs with. */
  hardware?: unknown;
  /** Its transfer to another host. */
  sending?: SimulatedSending;
  /** uid of the Migration whose memory it waits for. */
  receiving?: string;
};

/** A transfer with its times, so that it goes on while nobody looks. */
export type SimulatedSending = {
  id: string;
  /** Wall clock, ms since the epoch. */
  begunAtMs: number;
  lengthsMs: Record<'Disks' | 'Memory' | 'SwitchingOver', number>;
  /** Stands still until it is told to switch over. */
  postCopy?: true;
  /** Why it failed. */
  failed?: string;
};

/** What a table needs of the file system. */
export type TableFiles = Pick<Files, 'readText' | 'writeAtomic' | 'makeDirectory'>;

export type SimulatedTable = {
  /** Reads the file at the first call. Throws ReasonedError SimulatedStateBroken when it is no state file. */
  guests(): Promise<ReadonlyMap<string, SimulatedGuest>>;
  /** Changes one guest, or forgets it; resolves when that is on disk. */
  put(id: string, guest: SimulatedGuest | undefined): Promise<void>;
  /** Resolves when all changes so far are on disk. */
  flush(): Promise<void>;
};

/** A table kept in `path` (absolute). One process at a time may hold it. */
export function createSimulatedTable(files: TableFiles, path: string): SimulatedTable {
  let loading: Promise<Map<string, SimulatedGuest>> | undefined;
  const lines = new Map<string, string>();
  let writing: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const load = async () => {
    const guests = new Map<string, SimulatedGuest>();
    await files.makeDirectory(dirname(path));
    for (const line of ((await files.readText(path)) ?? '').split('\n')) {
      if (line === '') continue;
      const guest = parse(line, path);
      guests.set(guest.id, guest);
      lines.set(guest.id, line);
    }
    return guests;
  };
  const guests = () => {
    loading ??= load();
    return loading;
  };
  const write = async () => {
    const text = [...lines.values()].join('\n');
    await files.writeAtomic(path, text === '' ? '' : `${text}\n`);
  };
  const commit = (): Promise<void> => {
    if (writing === undefined) {
      writing = write().finally(() => {
        writing = undefined;
      });
      return writing;
    }
    const current = writing;
    next ??= current
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return commit();
      });
    return next;
  };

  return {
    guests,
    put: async (id, guest) => {
      const all = await guests();
      if (guest === undefined) {
        all.delete(id);
        lines.delete(id);
      } else {
        all.set(id, guest);
        lines.set(id, JSON.stringify(guest));
      }
      await commit();
    },
    flush: async () => {
      await (next ?? writing);
    },
  };
}

function parse(line: string, path: string): SimulatedGuest {
  try {
    return JSON.parse(line) as SimulatedGuest;
  } catch (cause) {
    const message = `${path} is no state of simulated guests: remove it to begin without guests`;
    throw new ReasonedError('SimulatedStateBroken', message, { stalled: true, cause });
  }
}
