/**
 * The times high availability rests on, and the inequalities that make it safe. All in milliseconds. What each time is for, and why an
 * inequality must hold, stands in docs/safety.md.
 */
export type HaTimings = {
  /** From one renewal of a host's Lease to the next; also how long one attempt may take. */
  renewInterval: number;
  /** From one look of the manager at all Leases to the next. */
  observation: number;
  /** A pause of any process that must do no harm. */
  pause: number;
  /** A host not seen to renew for so long is suspect, and no part of a majority. */
  leaseDuration: number;
  /** A voter that has not renewed for so long is outside any majority of the manager: it may excuse others. */
  excuseAge: number;
  askInterval: number;
  answerTimeout: number;
  freezeAfter: number;
  selfFenceAfter: number;
  killTime: number;
  watchdogTimeout: number;
  /** Drift of clocks and rounding. */
  margin: number;
  selfFenceWait: number;
  leaderLease: number;
  leaderRenewDeadline: number;
};

export const DEFAULT_HA_TIMINGS: HaTimings = {
  renewInterval: 1_000,
  observation: 500,
  pause: 3_000,
  leaseDuration: 4_500,
  excuseAge: 6_000,
  askInterval: 1_000,
  answerTimeout: 1_000,
  freezeAfter: 5_000,
  selfFenceAfter: 12_000,
  killTime: 2_000,
  watchdogTimeout: 10_000,
  margin: 2_000,
  selfFenceWait: 16_000,
  leaderLease: 6_000,
  leaderRenewDeadline: 4_500,
};

type Inequality = {
  name: string;
  text: string;
  /** What the left side is short of, at most 0 when it holds. */
  lack(t: HaTimings): number;
};

const INEQUALITIES: readonly Inequality[] = [
  {
    name: 'I1',
    text: 'leaseDuration >= renewInterval + pause + observation',
    lack: (t) => t.renewInterval + t.pause + t.observation - t.leaseDuration,
  },
  {
    name: 'I2',
    text: 'excuseAge >= leaseDuration + renewInterval + observation',
    lack: (t) => t.leaseDuration + t.renewInterval + t.observation - t.excuseAge,
  },
  {
    name: 'I3',
    text: 'selfFenceAfter >= renewInterval + excuseAge + askInterval + answerTimeout + pause',
    lack: (t) => t.renewInterval + t.excuseAge + t.askInterval + t.answerTimeout + t.pause - t.selfFenceAfter,
  },
  {
    name: 'I4',
    text: 'selfFenceWait >= max(selfFenceAfter + killTime, watchdogTimeout) + margin',
    lack: (t) => Math.max(t.selfFenceAfter + t.killTime, t.watchdogTimeout) + t.margin - t.selfFenceWait,
  },
  {
    name: 'I4a',
    text: 'margin >= 2 % of selfFenceWait',
    lack: (t) => t.selfFenceWait * 0.02 - t.margin,
  },
  {
    name: 'I6',
    text: 'freezeAfter and leaderRenewDeadline >= renewInterval + pause + observation',
    lack: (t) => t.renewInterval + t.pause + t.observation - Math.min(t.freezeAfter, t.leaderRenewDeadline),
  },
  {
    name: 'I7',
    text: 'leaderLease > leaderRenewDeadline',
    lack: (t) => t.leaderRenewDeadline + 1 - t.leaderLease,
  },
  {
    name: 'I8',
    text: 'selfFenceAfter > freezeAfter, and watchdogTimeout <= selfFenceAfter + killTime',
    lack: (t) =>
      Math.max(t.freezeAfter + 1 - t.selfFenceAfter, t.watchdogTimeout - t.selfFenceAfter - t.killTime),
  },
];

/** The inequalities these times break, each with its name and what it asks; empty when they are safe. */
export function brokenInequalities(timings: HaTimings): string[] {
  return INEQUALITIES.filter(({ lack }) => lack(timings) > 0).map(
    ({ name, text, lack }) => `${name}: ${text} (short of ${Math.ceil(lack(timings))} ms)`,
  );
}
