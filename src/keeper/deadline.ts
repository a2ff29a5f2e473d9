/**
 * What a keeper must do, and when: renew, ask peers, freeze, kill. Pure over the boot clock it is told (milliseconds, never going back), so that
 * the keeper of a real host and that of a simulated one obey the same lines. It never compares clocks of two hosts.
 */
import type { HaTimings, StatedTimings } from '../api/haTimings.ts';

/** What one voter says when it is asked: how long ago its last acknowledged renewal was sent; undefined: it has too little history. */
export type PeerAnswer = { votes: number; ageMs: number | undefined };

/** What one table of votes makes of a round of questions: the answers, this host's own votes, and those of all. */
export type Ballot = { answers: readonly PeerAnswer[]; self: number; total: number };

/** All that a deadline rests on, for a keeper that goes on where another of the same term has ended. Times of the boot clock. */
export type DeadlineState = {
  stated: StatedTimings;
  pending: StatedTimings;
  acknowledgedAt: number;
  historySince?: number;
  heardAt: number;
  base: number;
};

/** `Excuse age ignored` is one of the broken keepers the tests must catch. */
export type KeeperFlaw = 'ExcuseAgeIgnored';

export type Deadline = {
  /** The renewal sent at `sentAt` was acknowledged. */
  acknowledged(sentAt: number): void;
  /** Nothing was listed before: what a renewal sent now lists is answered for from now on. */
  begin(sentAt: number): void;
  /** A renewal that states these times is about to be sent: shorter ones hold from now on, longer ones when it is acknowledged. */
  stating(timings: StatedTimings): void;
  /** A round of questions begun at `startedAt` is over. Of more than one ballot, while tables of votes change, all must say the same. */
  asked(startedAt: number, ballots: readonly Ballot[]): void;
  /** Age of the last acknowledged renewal, for peers that ask; undefined before there is enough history to say so. */
  age(now: number): number | undefined;
  /** Renewing fails: peers are to be asked. */
  mustAsk(now: number): boolean;
  /** When guests are frozen, and when they are killed, unless something is heard before. */
  freezeAt(): number;
  killAt(): number;
  /** A watchdog of that timeout may be fed: even if this was the last time, the host is reset before it must be dead. */
  mayFeed(now: number, timeoutMs: number): boolean;
  state(): DeadlineState;
};

/** A term begins: from now on the host has guests to answer for. */
export function createDeadline(
  begunAt: number,
  initial: StatedTimings,
  intervals: Pick<HaTimings, 'renewInterval'>,
  flaw?: KeeperFlaw,
): Deadline {
  const heard = { acknowledgedAt: begunAt, heardAt: begunAt, base: begunAt };
  return resumeDeadline({ stated: initial, pending: initial, ...heard }, intervals, flaw);
}

/** The deadline of a term that goes on. */
export function resumeDeadline(
  from: DeadlineState,
  intervals: Pick<HaTimings, 'renewInterval'>,
  flaw?: KeeperFlaw,
): Deadline {
  let { stated, pending, acknowledgedAt, historySince, heardAt, base } = from;

  const shortest = (name: keyof StatedTimings): number => Math.min(stated[name], pending[name]);

  return {
    begin: (sentAt) => {
      heardAt = Math.max(heardAt, sentAt);
      base = Math.max(base, sentAt);
    },
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
    asked: (startedAt, ballots) => {
      const isOld = (ageMs: number | undefined) =>
        flaw === 'ExcuseAgeIgnored' ||
        (ageMs !== undefined && ageMs >= Math.max(stated.excuseAge, pending.excuseAge));
      const isSelfOld = isOld(historySince === undefined ? undefined : startedAt - acknowledgedAt);
      const answered = ({ self, answers, total }: Ballot) => self + votesOf(answers) >= total / 2;
      const excused = ({ self, answers, total }: Ballot) =>
        (isSelfOld ? self : 0) + votesOf(answers.filter(({ ageMs }) => isOld(ageMs))) >= total / 2;
      if (ballots.length === 0) return;
      if (ballots.every(answered)) heardAt = Math.max(heardAt, startedAt);
      if (ballots.every(excused)) base = Math.max(base, startedAt);
    },
    age: (now) =>
      historySince === undefined || now - historySince < Math.max(stated.excuseAge, pending.excuseAge)
        ? undefined
        : now - acknowledgedAt,
    mustAsk: (now) => now - acknowledgedAt > 2 * intervals.renewInterval,
    freezeAt: () => heardAt + shortest('freezeAfter'),
    killAt: () => base + shortest('selfFenceAfter'),
    mayFeed: (now, timeoutMs) => now + timeoutMs <= base + shortest('selfFenceAfter') + shortest('killTime'),
    state: () => ({
      ...{ stated, pending, acknowledgedAt, heardAt, base },
      ...(historySince === undefined ? {} : { historySince }),
    }),
  };
}

function votesOf(answers: readonly PeerAnswer[]): number {
  return answers.reduce((sum, { votes }) => sum + votes, 0);
}
