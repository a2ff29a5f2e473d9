/** A watchdog as the kernel has it, on a fake clock: it counts from the last feeding, and once more when its holder dies. */
import type { Clock } from '../../../src/base/clock.ts';
import type { WatchdogDevice, WatchdogWish } from '../../../src/keeper/watchdog.ts';

export type FakeWatchdog = {
  device: WatchdogDevice;
  /** Its holder has died. */
  close(): void;
  /** When it fires unless it is fed; undefined while it is off. */
  firesAt(): number | undefined;
  /** Who feeds, unless it is known to reach the device no more. */
  feedings: number[];
  /** Shortest timeout that can be set. */
  leastMs: number;
  /** Somebody else holds it. */
  isBusy: boolean;
};

export function createFakeWatchdog(clock: Pick<Clock, 'monotonic'>): FakeWatchdog {
  let timeoutMs = 60_000;
  let firesAt: number | undefined;
  let isOpen = false;
  const feedings: number[] = [];
  const feed = () => {
    feedings.push(clock.monotonic());
    firesAt = clock.monotonic() + timeoutMs;
  };
  const one: FakeWatchdog = {
    feedings,
    leastMs: 1_000,
    isBusy: false,
    firesAt: () => firesAt,
    close: () => {
      if (isOpen) feed();
      isOpen = false;
    },
    device: {
      prepare: async ({ asked, least, most }: WatchdogWish) => {
        if (firesAt !== undefined) return timeoutMs;
        timeoutMs = Math.max(asked, one.leastMs);
        if (timeoutMs < least || timeoutMs > most) throw new Error('it would not do');
        return timeoutMs;
      },
      start: () => {
        if (one.isBusy) throw new Error('busy');
        isOpen = true;
        feed();
        return timeoutMs;
      },
      feed,
      stop: () => {
        firesAt = undefined;
        isOpen = false;
      },
    },
  };
  return one;
}
