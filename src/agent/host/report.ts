/**
 * Writes the Host's status: on change, at most one write under way, changes that arrive meanwhile together in the next. Whoever must not go
 * on before the cluster knows waits for `publish`.
 */
import { Host, type HostStatus } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { backoffDelay } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { ApiError, type Client } from '../../client/contract.ts';
import { statusPatch } from './patch.ts';

/** Changes nobody waits for are gathered for this long. */
export const GATHER_MS = 500;
const RETRY = { baseMs: 250, maxMs: 5_000 };
const WRITE_TIMEOUT_MS = 10_000;
/** A write that takes as long as this is one of a long inventory in a burst of guests: the next waits longer, so that many share it. */
const LONG_WRITE_MS = 30;
const LONGEST_PAUSE_MS = 1_000;

export type HostReporter = {
  /** Something may have changed; written soon. */
  touch(): void;
  /** Resolves when a status taken after this call is acknowledged (or found to be no different). */
  publish(signal: AbortSignal): Promise<void>;
  /** The Host as it was last read or written. */
  known(): Stored<Host> | undefined;
  /** Whether the acknowledged inventory has this uuid. */
  lists(uuid: string): boolean;
  /** Takes what the watch shows of this Host: what others wrote into it is kept, what they wiped of ours comes back. */
  observe(host: Stored<Host>): void;
  /** Writes until the signal; never throws. */
  run(signal: AbortSignal): Promise<void>;
};

export type HostReporterOptions = {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  host: string;
  /** Without the lease another agent may be the one to speak for this host. */
  mayWrite(): boolean;
  /** The whole status over what stands there. Pure. */
  describe(host: Stored<Host>): HostStatus;
};

export function createHostReporter(options: HostReporterOptions): HostReporter {
  const { clock, random, log, host } = options;
  let wanted = 0;
  let urgent = 0;
  let written = 0;
  let current: Stored<Host> | undefined;
  let known: Stored<Host> | undefined;
  let listed: ReadonlySet<string> = new Set();
  let wake = () => {};
  const waiters = new Set<{ number: number; resolve: () => void }>();

  const acknowledge = (number: number, status: HostStatus): void => {
    written = number;
    listed = new Set((status.guests ?? []).map(({ uuid }) => uuid));
    for (const waiter of [...waiters]) {
      if (waiter.number > number) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
  };

  const write = async (signal: AbortSignal): Promise<void> => {
    const request = { signal, timeoutMs: WRITE_TIMEOUT_MS };
    current ??= await options.client.get(Host, { name: host }, request);
    known = current;
    const number = wanted;
    const status = options.describe(current);
    const patch = statusPatch(current.status ?? {}, status, current.metadata.resourceVersion);
    if (patch !== undefined) {
      current = await options.client.mergePatch(Host, { name: host }, patch, {
        ...request,
        subresource: 'status',
      });
    }
    known = current;
    acknowledge(number, status);
  };

  const nextWake = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  /** Waits until something is wanted, and a moment longer unless somebody waits for it. */
  const idle = async (signal: AbortSignal): Promise<void> => {
    while (written >= wanted && !signal.aborted) await nextWake();
    if (urgent > written || signal.aborted) return;
    let gathered = false;
    const cancel = clock.after(GATHER_MS, () => {
      gathered = true;
      wake();
    });
    while (!gathered && urgent <= written && !signal.aborted) await nextWake();
    cancel();
  };

  const touch = (): void => {
    wanted += 1;
    wake();
  };

  return {
    known: () => known,
    lists: (uuid) => listed.has(uuid),
    observe: (seen) => {
      if (current !== undefined && isNewer(current, seen)) return;
      current = seen;
      known = seen;
      touch();
    },
    touch,
    publish: (signal) => {
      wanted += 1;
      urgent = wanted;
      const number = wanted;
      return new Promise<void>((resolve, reject) => {
        const stop = () => {
          waiters.delete(waiter);
          reject(signal.reason);
        };
        const finish = () => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const waiter = { number, resolve: finish };
        waiters.add(waiter);
        signal.addEventListener('abort', stop, { once: true });
        wake();
      });
    },
    run: async (signal) => {
      signal.addEventListener('abort', () => wake(), { once: true });
      for (let attempt = 0; !signal.aborted; ) {
        await idle(signal);
        if (signal.aborted) return;
        try {
          if (!options.mayWrite()) throw new Error('the lease is not held');
          const beganAt = clock.monotonic();
          await write(signal);
          attempt = 0;
          const tookMs = clock.monotonic() - beganAt;
          const pauseMs = tookMs < LONG_WRITE_MS ? tookMs : Math.min(8 * tookMs, LONGEST_PAUSE_MS);
          if (pauseMs >= 1) await clock.sleep(pauseMs, signal).catch(() => undefined);
        } catch (error) {
          current = undefined;
          if (signal.aborted) return;
          if (error instanceof ApiError && error.code === 409) continue;
          log.warn('the status of the Host was not written', { message: String(error) });
          await clock.sleep(backoffDelay(attempt, RETRY, random), signal).catch(() => undefined);
          attempt += 1;
        }
      }
    },
  };
}

/** resourceVersions of one server are numbers that grow; what cannot be compared is taken as newer. */
function isNewer(current: Stored<Host>, seen: Stored<Host>): boolean {
  if (current.metadata.uid !== seen.metadata.uid) return false;
  return Number(current.metadata.resourceVersion) >= Number(seen.metadata.resourceVersion);
}
