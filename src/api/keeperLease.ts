/**
 * What a host's keeper states in the host's Lease with each renewal, and how it is written there: two annotations, so that one write renews and
 * states. Manager and keeper meet in this file and nowhere else.
 */
import type { StatedTimings } from './haTimings.ts';
import type { ObjectMeta } from './meta.ts';

/** One renewal of a keeper. Times are milliseconds of the sender's boot clock; nobody compares clocks of two hosts. */
export type KeeperStatement = {
  bootID: string;
  /** Grows at each boot and each self-fence. */
  term: number;
  /** Counts renewals of the term. */
  sequence: number;
  /** When this renewal was sent. */
  sentAt: number;
  /** When the last renewal was sent that was acknowledged within its attempt. */
  acknowledgedAt: number;
  /** A watchdog resets the host when its keeper is stuck. */
  armed: boolean;
  /** The host may be paused from outside, as a virtual machine may: its self-fence proves nothing. */
  pausable: boolean;
  timings: StatedTimings;
  /** Names of hosts this one has heard within the last moments. */
  hears: readonly string[];
  /**
   * `status.votes.version` of the ClusterPolicy by which this host counts votes. From when a later one is about to be stated until that is
   * acknowledged, an excuse must hold by both: the manager asks for majorities under both for as long.
   */
  votesVersion: number;
  /** What the host kills at its deadline, as `<uid>@<epoch>`: complete, or a self-fence proves nothing about what is missing. */
  guarded: readonly string[];
};

/** Annotations of the Lease. */
export const KEEPER_ANNOTATIONS = { statement: 'vireo.dev/keeper', guarded: 'vireo.dev/guarded' } as const;

/** The annotations that state it; both go into the same write as the renewal. */
export function writeStatement({ guarded, ...statement }: KeeperStatement): Record<string, string> {
  return {
    [KEEPER_ANNOTATIONS.statement]: JSON.stringify(statement),
    [KEEPER_ANNOTATIONS.guarded]: guarded.join(' '),
  };
}

/** What a Lease states, or undefined where no keeper renews it or it cannot be understood. */
export function readStatement({ annotations }: Pick<ObjectMeta, 'annotations'>): KeeperStatement | undefined {
  const text = annotations?.[KEEPER_ANNOTATIONS.statement];
  if (text === undefined) return undefined;
  const guarded = (annotations?.[KEEPER_ANNOTATIONS.guarded] ?? '').split(' ').filter((key) => key !== '');
  try {
    const statement = statementOf(JSON.parse(text));
    return statement === undefined ? undefined : { ...statement, guarded };
  } catch {
    return undefined;
  }
}

const NUMBERS = ['term', 'sequence', 'sentAt', 'acknowledgedAt', 'votesVersion'] as const;
const TIMINGS = ['selfFenceAfter', 'killTime', 'freezeAfter', 'excuseAge', 'watchdogTimeout'] as const;

function statementOf(value: unknown): Omit<KeeperStatement, 'guarded'> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { bootID, armed, pausable, timings, hears } = value as Partial<Record<string, unknown>>;
  const numbers = numbersOf(value, NUMBERS);
  const times = numbersOf(timings, TIMINGS);
  if (numbers === undefined || times === undefined || typeof bootID !== 'string') return undefined;
  if (typeof armed !== 'boolean' || typeof pausable !== 'boolean' || !Array.isArray(hears)) return undefined;
  const heard = hears.filter((name): name is string => typeof name === 'string');
  return { ...numbers, bootID, armed, pausable, timings: times, hears: heard };
}

function numbersOf<const N extends string>(
  value: unknown,
  names: readonly N[],
): Record<N, number> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const known = new Map<string, unknown>(Object.entries(value));
  if (!names.every((name) => Number.isFinite(known.get(name)))) return undefined;
  return Object.fromEntries(names.map((name) => [name, known.get(name)])) as Record<N, number>;
}

/** What a Lease lists for a guest: its uid under one epoch. */
export function guardKey(uid: string, epoch: number): string {
  return `${uid}@${epoch}`;
}

/** The uid that such a key begins with. */
export function guardedUid(key: string): string {
  return key.slice(0, key.lastIndexOf('@'));
}
