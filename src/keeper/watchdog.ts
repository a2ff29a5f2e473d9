/**
 * When a keeper arms, feeds and disarms the watchdog of its host. Armed means: a keeper that is stuck or killed is a host that is reset before
 * anybody counts its guests as dead. What may be fed, and until when, is the deadline's to say.
 */
import type { HaTimings } from '../api/haTimings.ts';
import type { Log } from '../base/log.ts';

/** What a host's owner says of it. `Auto`: any device, else softdog. A name such as watchdog1: that one. */
export type WatchdogChoice = 'Auto' | 'None' | `watchdog${number}`;

/** Timeouts of a device that would do, in milliseconds, and the one to ask for. */
export type WatchdogWish = { asked: number; least: number; most: number };

/** A device of the kernel's watchdog API, and whatever else behaves so. */
export type WatchdogDevice = {
  /**
   * Makes ready what is there, without starting it; resolves with the timeout it has. Rejects with the reason when no device would do. One that
   * runs already, left by a keeper before, is taken whatever its timeout.
   */
  prepare(wish: WatchdogWish): Promise<number>;
  /** Starts it, or takes over one that runs on after its keeper; returns the timeout read back from it. Throws when it cannot be had. */
  start(): number;
  /** At once: nothing may come between the look at the clock and this. */
  feed(): void;
  stop(): void;
};

/** `Ready`: there is one, and it is armed with the first guest that is guarded. */
export type WatchdogState = 'Armed' | 'Ready' | 'None';

export type Watchdog = {
  state(): WatchdogState;
  /** Looks whether there is one. */
  look(wish: WatchdogWish): Promise<void>;
  /**
   * Arms it if it can be had, and returns whether a Lease may say so: by when, after the deadline's base, the host has been reset. `mayStart` is
   * asked with the timeout it has: to start it is to feed it.
   */
  arm(wish: WatchdogWish, mayStart: (timeoutMs: number) => boolean): boolean;
  /** Feeds it if that may be; what is not armed is not fed. */
  feed(mayFeed: (timeoutMs: number) => boolean): void;
  /** Nothing is to be dead any more, or no acknowledged Lease says that it is armed. */
  disarm(): void;
  timeoutMs(): number;
};

/** From one look at the deadline, and one feeding, to the next. */
export const CHECK_MS = 250;

/**
 * As short as a pause of the keeper that must do no harm allows, because the kernel restarts the count once more when the process that holds the
 * device ends (watchdog_release in drivers/watchdog/watchdog_dev.c); never so long that a renewal comes too late to feed.
 */
export function wishOf(timings: HaTimings): WatchdogWish {
  const { pause, renewInterval, selfFenceAfter, killTime, watchdogTimeout } = timings;
  const least = pause + renewInterval;
  const most = selfFenceAfter + killTime - renewInterval - CHECK_MS;
  return {
    asked: Math.min(most, Math.max(least, Math.min(watchdogTimeout, least + renewInterval))),
    least,
    most,
  };
}

/** `device` undefined: the host has none, or is told to use none. */
export function createWatchdog(device: WatchdogDevice | undefined, log: Log): Watchdog {
  let armedMs: number | undefined;
  /** With this timeout, as it says before it is started. */
  let readyMs: number | undefined;
  let complaint = '';
  const complain = (message: string) => {
    if (message !== complaint) log.warn('no watchdog is armed', { message });
    complaint = message;
  };
  const disarm = () => {
    if (armedMs === undefined) return;
    armedMs = undefined;
    try {
      device?.stop();
    } catch (error) {
      complain(`it does not stop: ${String(error)}`);
    }
  };
  const start = (mayStart: (timeoutMs: number) => boolean): void => {
    if (device === undefined || readyMs === undefined || !mayStart(readyMs)) return;
    try {
      armedMs = device.start();
      complaint = '';
      log.info('the watchdog is armed', { timeoutMs: armedMs });
    } catch (error) {
      readyMs = undefined;
      complain(error instanceof Error ? error.message : String(error));
    }
  };

  return {
    state: () => (armedMs !== undefined ? 'Armed' : readyMs !== undefined ? 'Ready' : 'None'),
    timeoutMs: () => armedMs ?? 0,
    look: async (wish) => {
      if (device === undefined || armedMs !== undefined) return;
      try {
        readyMs = await device.prepare(wish);
      } catch (error) {
        readyMs = undefined;
        complain(error instanceof Error ? error.message : String(error));
      }
    },
    arm: (wish, mayStart) => {
      if (armedMs === undefined) start(mayStart);
      if (armedMs === undefined) return false;
      const suits = armedMs >= wish.least && armedMs <= wish.most;
      // Disarmed when the Lease says so, and made ready anew.
      if (!suits) readyMs = undefined;
      return suits;
    },
    feed: (mayFeed) => {
      if (armedMs === undefined || !mayFeed(armedMs)) return;
      try {
        device?.feed();
      } catch (error) {
        // It runs on and resets the host; a Lease that says it is armed says the truth.
        complain(`it cannot be fed: ${String(error)}`);
      }
    },
    disarm,
  };
}
