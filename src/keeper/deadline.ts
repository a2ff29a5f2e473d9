/**
 * What a keeper must do, and when: renew, ask peers, freeze, kill. Pure over the boot clock it is told (milliseconds, never going back), so that
 * the keeper of a real host and that of a simulated one obey the same lines. It never compares clocks of two hosts.
 */
import type { HaTimings, StatedTimings } from '../api/haTimings.ts';

/** What one voter says when it is asked: how long ago its last acknowledged renewal was sent; undefined: it has too little history. */
export type PeerAnswer = { votes: number; ageMs: number | undefined };

/** `Excuse age ignored` is one of the broken keepers the tests must catch. */
export type KeeperFlaw = 'ExcuseAgeIgnored';

export type Deadline = {
  /** The renewal sent at `sentAt` was acknowledged. */
  acknowledged(sentAt: number): void;
  /** A renewal that states these times is about to be sent: shorter ones hold from now on, longer ones when it is acknowledged. */
  stating(timings: StatedTimings): void;
  /** A round of questions begun at `startedAt` is over; `self` is this host's own votes, `total` those of all. */
  asked(startedAt: number, answers: readonly PeerAnswer[], voters: { self: number; total: number }): void;
  /** Age of the last acknowledged renewal, for peers that ask; undefined before there is enough history to say so. */
  age(now: number): number | undefined;
  /** Renewing fails: peers are to be asked. */
  mustAsk(now: number): boolean;
  /** When guests are frozen, and when they are killed, unless something is heard before. */
  freezeAt(): number;
  killAt(): number;
  /** The watchdog may be fed: even if this was the last time, the host is reset before it must be dead. */
  mayFeed(now: number): boolean;
};

/** A term begins: from now on the host has guests to answer for. */
export function createDeadline(
  begunAt: number,
  initial: StatedTimings,
  intervals: Pick<HaTimings, 'renewInterval'>,
  flaw?: KeeperFlaw,
): Deadline {
  let stated = initial;
  let pending = initial;
  let acknowledgedAt = begunAt;
  let historySince: number | undefined;
  let heardAt = begunAt;
  let base = begunAt;

  const shortest = (name: keyof StatedTimings): number => Math.min(stated[name], pending[name]);

  return {
    stating: (timings) => {
      pending = timings;
    },
    acknowledged: (sentAt) => {
      stated = pending;
      historySince ??= sentAt;
      acknowledgedAt = Math.max(acknowledgedAt, sentAt);
      heardAt = Math.max(heardAt, sentAt);
      base = Math.max(base, sentAt);
    },
    asked: (startedAt, answers, { self, total }) => {
      const votesOf = (those: readonly PeerAnswer[]) => those.reduce((sum, { votes }) => sum + votes, 0);
      if (self + votesOf(answers) >= total / 2) heardAt = Math.max(heardAt, startedAt);
      const isOld = (ageMs: number | undefined) =>
        flaw === 'ExcuseAgeIgnored' ||
        (ageMs !== undefined && ageMs >= Math.max(stated.excuseAge, pending.excuseAge));
      const own = isOld(historySince === undefined ? undefined : startedAt - acknowledgedAt) ? self : 0;
      if (own + votesOf(answers.filter(({ ageMs }) => isOld(ageMs))) >= total / 2)
        base = Math.max(base, startedAt);
    },
    age: (now) =>
      historySince === undefined || now - historySince < Math.max(stated.excuseAge, pending.excuseAge)
        ? undefined
        : now - acknowledgedAt,
    mustAsk: (now) => now - acknowledgedAt > 2 * intervals.renewInterval,
    freezeAt: () => heardAt + shortest('freezeAfter'),
    killAt: () => base + shortest('selfFenceAfter'),
    mayFeed: (now) =>
      now + Math.max(stated.watchdogTimeout, pending.watchdogTimeout) <=
      base + shortest('selfFenceAfter') + shortest('killTime'),
  };
}
