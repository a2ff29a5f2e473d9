/**
 * The audit log: JSON lines in a file that is turned over when it is full, so that it never takes more than its share of the disk.
 * Requests do not wait for it; what it cannot keep up with, or the disk refuses, is counted and told.
 */
import type { World } from '../../base/world.ts';
import { type Audited, auditEvent, isNotable } from './event.ts';

/** Adds text to the end of a file, made with mode 0600 where it is missing. */
export type Append = (path: string, text: string) => Promise<void>;

/** Where the log lies and how large it may get. */
export type AuditOptions = {
  world: Pick<World, 'files' | 'log' | 'clock'>;
  append: Append;
  path: string;
  /** Of one file. Default 10 MiB. */
  maxBytes?: number;
  /** Older files kept beside it, as PATH.1 (the newest) and so on. Default 4. */
  keep?: number;
};

/** The log. */
export type AuditLog = {
  record(request: Audited): void;
  /** Resolves once all that was recorded is written. */
  close(): Promise<void>;
};

const defaultBytes = 10 * 1024 * 1024;
const defaultKeep = 4;
/** Lines are gathered for so long: a burst of requests is one write. */
const gatherMs = 100;
/** Waiting text above this is not kept: a stuck disk must not become a full memory. */
const waitingLimit = 4 * 1024 * 1024;

/** Opens the log. */
export function createAuditLog(options: AuditOptions): AuditLog {
  const { world, append, path, maxBytes = defaultBytes, keep = defaultKeep } = options;
  let waiting: string[] = [];
  let waitingSize = 0;
  let dropped = 0;
  let size: number | undefined;
  let writing: Promise<void> | undefined;
  const closing = new AbortController();

  function add(line: string): void {
    waiting.push(line);
    waitingSize += line.length;
    writing ??= drain().finally(() => {
      writing = undefined;
    });
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      await world.clock.sleep(gatherMs, closing.signal).catch(() => {});
      const lines = waiting;
      waiting = [];
      waitingSize = 0;
      if (dropped > 0) {
        lines.push(`${JSON.stringify({ kind: 'Gap', dropped })}\n`);
        dropped = 0;
      }
      await write(lines);
    }
  }

  async function write(lines: readonly string[]): Promise<void> {
    try {
      const text = lines.join('');
      const bytes = Buffer.byteLength(text);
      size ??= (await world.files.stat(path))?.sizeBytes ?? 0;
      if (size > 0 && size + bytes > maxBytes) await turnOver();
      await append(path, text);
      size += bytes;
    } catch (error) {
      dropped += lines.length;
      size = undefined;
      world.log.error('the audit log cannot be written', { path, error: String(error) });
    }
  }

  /** From the oldest on, so that a crash between two renames loses no newer file. */
  async function turnOver(): Promise<void> {
    await world.files.remove(`${path}.${keep}`);
    for (let number = keep - 1; number >= 1; number--) {
      if ((await world.files.stat(`${path}.${number}`)) !== undefined) {
        await world.files.rename(`${path}.${number}`, `${path}.${number + 1}`);
      }
    }
    if (keep > 0) await world.files.rename(path, `${path}.1`);
    else await world.files.remove(path);
    size = 0;
  }

  return {
    record: (request) => {
      if (!isNotable(request)) return;
      if (waitingSize > waitingLimit) dropped++;
      else add(`${JSON.stringify(auditEvent(request))}\n`);
    },
    close: async () => {
      closing.abort();
      await writing;
    },
  };
}
