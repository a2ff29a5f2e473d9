/**
 * The times high availability rests on, and the inequalities that make it safe. All in milliseconds. What each time is for, and why an
 * inequality must hold, stands in docs/safety.md.
 */
import type { ValidationRule } from '../schema/contract.ts';

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

/** The times a host states in its Lease: whoever waits for its end waits by these, never by those of a policy changed since. */
export type StatedTimings = Pick<
  HaTimings,
  'selfFenceAfter' | 'killTime' | 'freezeAfter' | 'excuseAge' | 'watchdogTimeout'
>;

type Time = keyof HaTimings;
/** The sum of `most` is at least the sum of `least`; more than it where `strictly`. */
type Comparison = { most: readonly Time[]; least: readonly Time[]; strictly?: true };
type Inequality = { name: string; text: string; all: readonly Comparison[] };

const QUIET = ['renewInterval', 'pause', 'observation'] as const;

const INEQUALITIES: readonly Inequality[] = [
  {
    name: 'I1',
    text: 'leaseDuration >= renewInterval + pause + observation',
    all: [{ most: ['leaseDuration'], least: QUIET }],
  },
  {
    name: 'I2',
    text: 'excuseAge >= leaseDuration + renewInterval + observation',
    all: [{ most: ['excuseAge'], least: ['leaseDuration', 'renewInterval', 'observation'] }],
  },
  {
    name: 'I3',
    text: 'selfFenceAfter >= renewInterval + excuseAge + askInterval + answerTimeout + pause',
    all: [
      {
        most: ['selfFenceAfter'],
        least: ['renewInterval', 'excuseAge', 'askInterval', 'answerTimeout', 'pause'],
      },
    ],
  },
  {
    name: 'I4',
    text: 'selfFenceWait >= max(selfFenceAfter + killTime, watchdogTimeout) + margin',
    all: [
      { most: ['selfFenceWait'], least: ['selfFenceAfter', 'killTime', 'margin'] },
      { most: ['selfFenceWait'], least: ['watchdogTimeout', 'margin'] },
    ],
  },
  {
    name: 'I6',
    text: 'freezeAfter and leaderRenewDeadline >= renewInterval + pause + observation',
    all: [
      { most: ['freezeAfter'], least: QUIET },
      { most: ['leaderRenewDeadline'], least: QUIET },
    ],
  },
  {
    name: 'I7',
    text: 'leaderLease > leaderRenewDeadline',
    all: [{ most: ['leaderLease'], least: ['leaderRenewDeadline'], strictly: true }],
  },
  {
    name: 'I8',
    text: 'selfFenceAfter > freezeAfter, and selfFenceAfter + killTime >= watchdogTimeout',
    all: [
      { most: ['selfFenceAfter'], least: ['freezeAfter'], strictly: true },
      { most: ['selfFenceAfter', 'killTime'], least: ['watchdogTimeout'] },
    ],
  },
];

/** The share of the wait that `margin` must be: so much may a clock drift. CEL multiplies no durations, so no rule of a CRD holds it. */
const DRIFT = 0.02;

/** The inequalities these times break, each with its name and what it asks; empty when they are safe. */
export function brokenInequalities(timings: HaTimings): string[] {
  const sum = (names: readonly Time[]) => names.reduce((total, name) => total + timings[name], 0);
  const lack = ({ most, least, strictly }: Comparison) =>
    sum(least) + (strictly === true ? 1 : 0) - sum(most);
  const broken = INEQUALITIES.map(({ name, text, all }) => ({
    name,
    text,
    lack: Math.max(...all.map(lack)),
  }));
  const drift = timings.selfFenceWait * DRIFT - timings.margin;
  return [...broken, { name: 'I4a', text: 'margin >= 2 % of selfFenceWait', lack: drift }]
    .filter((inequality) => inequality.lack > 0)
    .map(
      (inequality) => `${inequality.name}: ${inequality.text} (short of ${Math.ceil(inequality.lack)} ms)`,
    );
}

/** The same as CEL rules over an object whose fields are the times as texts; what is absent has its default. */
export function timingRules(): ValidationRule[] {
  const one = (name: Time) =>
    `(has(self.${name}) ? duration(self.${name}) : duration('${DEFAULT_HA_TIMINGS[name]}ms'))`;
  const sum = (names: readonly Time[]) => names.map(one).join(' + ');
  return INEQUALITIES.map(({ name, text, all }) => ({
    rule: all
      .map(({ most, least, strictly }) => `${sum(most)} ${strictly === true ? '>' : '>='} ${sum(least)}`)
      .join(' && '),
    message: `${name} must hold: ${text}`,
  }));
}
