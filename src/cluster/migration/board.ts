/**
 * What moves and what waits to move, kept up to date change by change, with assignments that have not come back through the watch yet; and
 * the memory each move is promised on its target, so that it is promised to nobody else. Who goes behind another one is promised it from the moment
 * that one is given its hosts.
 */
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import type { StoredGuest } from '../guests.ts';
import type { Ledger } from '../placement/ledger.ts';
import { firstOf, type Lead, leaderOf, leadOf } from './follow.ts';
import type { Move, Waiting } from './queue.ts';

/** Goes behind the Migration `first`, and was made just now. */
export type Follower = { key: string; guest: string; first: string; target: string };

export type Board = {
  moves(): readonly Move[];
  /** Migrations without hosts, whose guest has one; none that waits for the one before it. */
  line(): readonly Waiting[];
  /** The guest has been given hosts to move, or goes behind one that has; `except`: by another Migration than this. */
  isOnItsWay(guest: string, except?: string): boolean;
  /** How it stands with the Migration that this one follows; undefined of one that follows none. */
  lead(migration: Stored<Migration>): Lead | undefined;
  /** Takes in one change of the watch. */
  observe(change: InformerChange<Migration>): void;
  /** The guest has changed: where it is, and what it asks for. */
  observeGuest(guest: string): void;
  /** Both hosts are about to be told; others go behind it. */
  assume(move: Move, followers?: readonly Follower[]): void;
  /** The assignment was refused. */
  forget(key: string): void;
};

/** `<kind>/<namespace>/<name>` of the guest that a migration moves. */
export function movedGuest({ metadata, spec }: Migration): string {
  return `${spec.guest.kind}/${metadata.namespace ?? 'default'}/${spec.guest.name}`;
}

export type BoardSources = {
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
  /** By `<namespace>/<name>`. */
  migration(key: string): Stored<Migration> | undefined;
};

export function createBoard(ledger: Pick<Ledger, 'expect' | 'forget'>, sources: BoardSources): Board {
  const { guest } = sources;
  const open = new Map<string, Stored<Migration>>();
  /** Of these, those that follow another one. */
  const following = new Map<string, Stored<Migration>>();
  const assumed = new Map<string, Move>();
  const moves = new Map<string, Move>();
  /** Those that have no hosts yet, and where they will go. */
  const behind = new Map<string, { guest: string; target: string }>();
  const claimed = new Map<string, Follower>();
  const reserved = (key: string) => `Migration/${key}`;

  const lead = (migration: Stored<Migration>): Lead | undefined => {
    const { follows } = migration.spec;
    const [first, leader] = [firstOf(migration), leaderOf(migration)];
    if (follows === undefined || first === undefined || leader === undefined) return undefined;
    const at = guest(movedGuest(migration))?.status?.placement?.host;
    return leadOf({ follows, first: sources.migration(first), leader: guest(leader), at });
  };
  /** Promised while the guest is not counted on the target itself. */
  const reserve = (key: string): void => {
    const move = moves.get(key) ?? behind.get(key);
    const object = move === undefined ? undefined : guest(move.guest);
    if (move === undefined || object === undefined || object.status?.placement?.host === move.target)
      ledger.forget(reserved(key));
    else ledger.expect(reserved(key), object, move.target);
  };
  const refresh = (key: string): void => {
    const migration = open.get(key);
    const move = (migration === undefined ? undefined : moveOf(key, migration)) ?? assumed.get(key);
    if (move === undefined) moves.delete(key);
    else moves.set(key, move);
    const follower = move === undefined ? behindOf(key, migration) : undefined;
    if (follower === undefined) behind.delete(key);
    else behind.set(key, follower);
    reserve(key);
  };
  const behindOf = (key: string, migration: Stored<Migration> | undefined) => {
    const known = migration === undefined ? undefined : lead(migration);
    if (migration === undefined || known?.type !== 'Goes') return claimed.get(key);
    return { guest: movedGuest(migration), target: known.host };
  };
  /** Those that go behind this Migration, or behind this guest. */
  const refreshBehind = (goesBehind: (migration: Migration) => boolean): void => {
    for (const [key, migration] of following) if (goesBehind(migration)) refresh(key);
  };

  return {
    moves: () => [...moves.values()],
    line: () =>
      [...open].flatMap(([key, migration]) => {
        const source = guest(movedGuest(migration))?.status?.placement?.host;
        const waits = migration.spec.follows !== undefined && !behind.has(key);
        return moves.has(key) || source === undefined || waits ? [] : [waitingOf(key, migration, source)];
      }),
    isOnItsWay: (name, except) =>
      [moves, behind].some((those) => [...those].some(([key, one]) => one.guest === name && key !== except)),
    lead,
    observe: ({ key, after }) => {
      for (const those of [open, following])
        if (after === undefined || isOver(after)) those.delete(key);
        else if (those === open || after.spec.follows !== undefined) those.set(key, after);
      if (after === undefined || after.status?.targetHost !== undefined) assumed.delete(key);
      const isDecided = after === undefined || isOver(after) || after.status?.targetHost !== undefined;
      for (const one of [...claimed.values()])
        if (isDecided && (one.key === key || one.first === key)) claimed.delete(one.key);
      refresh(key);
      refreshBehind((other) => firstOf(other) === key);
    },
    observeGuest: (name) => {
      for (const [key, move] of moves) if (move.guest === name) reserve(key);
      refreshBehind((other) => leaderOf(other) === name || movedGuest(other) === name);
    },
    assume: (move, followers = []) => {
      assumed.set(move.key, move);
      refresh(move.key);
      for (const follower of followers) {
        claimed.set(follower.key, follower);
        refresh(follower.key);
      }
    },
    forget: (key) => {
      assumed.delete(key);
      refresh(key);
      for (const [follower, { first }] of [...claimed]) {
        if (first !== key) continue;
        claimed.delete(follower);
        refresh(follower);
      }
    },
  };
}

function moveOf(key: string, migration: Stored<Migration>): Move | undefined {
  const { sourceHost: source, targetHost: target } = migration.status ?? {};
  if (source === undefined || target === undefined) return undefined;
  return { key, guest: movedGuest(migration), source, target };
}

function waitingOf(key: string, migration: Stored<Migration>, source: string): Waiting {
  return {
    key,
    guest: movedGuest(migration),
    source,
    priority: migration.spec.priority ?? 0,
    createdAt: migration.metadata.creationTimestamp ?? '',
    isParted: migration.spec.follows !== undefined,
  };
}
