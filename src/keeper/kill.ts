/**
 * The end of all guests that a keeper guards. What is left when they do not die in time, a process that waits for a dead disk for example, is the whole
 * host: an armed watchdog resets it by itself, since nobody feeds it any more; a host without one is reset by the kernel, where its owner says so.
 */
import type { KeeperPorts } from './contract.ts';
import type { Watchdog } from './watchdog.ts';

export type Killer = {
  /** Resolves when all of them are dead. From `deadBy` on, on the ports' clock, somebody may count on that. */
  kill(ids: readonly string[], deadBy: number): Promise<void>;
  /** Resets the host if that time has come and some of them live. */
  look(): void;
};

const AGAIN_MS = 100;

export function createKiller(
  { clock, log, guests, reset }: Pick<KeeperPorts, 'clock' | 'log' | 'guests' | 'reset'>,
  watchdog: Pick<Watchdog, 'state'>,
): Killer {
  let deadBy = Number.POSITIVE_INFINITY;

  const killOne = async (id: string): Promise<void> => {
    for (;;) {
      try {
        return await guests.kill(id);
      } catch (error) {
        log.error('a guest is not dead yet', { id, message: String(error) });
        await clock.sleep(AGAIN_MS);
      }
    }
  };

  return {
    kill: async (ids, by) => {
      deadBy = by;
      await Promise.all(ids.map(killOne));
      deadBy = Number.POSITIVE_INFINITY;
    },
    look: () => {
      if (reset === undefined || clock.monotonic() < deadBy || watchdog.state() === 'Armed') return;
      log.error('guests with ha could not be killed in time: the host is reset');
      reset();
    },
  };
}
