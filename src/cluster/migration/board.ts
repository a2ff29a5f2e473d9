/**
 * What moves and what waits to move, kept up to date change by change, with assignments that have not come back through the watch yet; and
 * the memory each move is promised on its target, so that it is promised to nobody else.
 */
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import type { StoredGuest } from '../guests.ts';
import type { Ledger } from '../placement/ledger.ts';
import type { Move, Waiting } from './queue.ts';

export type Board = {
  moves(): readonly Move[];
  /** Migrations without hosts, whose guest has one. */
  line(): readonly Waiting[];
  /** Takes in one change of the watch. */
  observe(change: InformerChange<Migration>): void;
  /** The guest has changed: where it is, and what it asks for. */
  observeGuest(guest: string): void;
  /** Both hosts are about to be told. */
  assume(move: Move): void;
  /** The assignment was refused. */
  forget(key: string): void;
};

/** `<kind>/<namespace>/<name>` of the guest that a migration moves. */
export function movedGuest({ metadata, spec }: Migration): string {
  return `${spec.guest.kind}/${metadata.namespace ?? 'default'}/${spec.guest.name}`;
}

/** `guest` looks up a guest by `<kind>/<namespace>/<name>`. */
export function createBoard(
  ledger: Pick<Ledger, 'assume' | 'forget'>,
  guest: (key: string) => StoredGuest | undefined,
): Board {
  const open = new Map<string, Stored<Migration>>();
  const assumed = new Map<string, Move>();
  const moves = new Map<string, Move>();
  const reserved = (key: string) => `Migration/${key}`;

  /** Promised while the guest is not counted on the target itself. */
  const reserve = (key: string): void => {
    const move = moves.get(key);
    const object = move === undefined ? undefined : guest(move.guest);
    if (move === undefined || object === undefined || object.status?.placement?.host === move.target)
      ledger.forget(reserved(key));
    else ledger.assume(reserved(key), object, move.target);
  };
  const refresh = (key: string): void => {
    const migration = open.get(key);
    const move = (migration === undefined ? undefined : moveOf(key, migration)) ?? assumed.get(key);
    if (move === undefined) moves.delete(key);
    else moves.set(key, move);
    reserve(key);
  };

  return {
    moves: () => [...moves.values()],
    line: () =>
      [...open].flatMap(([key, migration]) => {
        const source = guest(movedGuest(migration))?.status?.placement?.host;
        return moves.has(key) || source === undefined ? [] : [waitingOf(key, migration, source)];
      }),
    observe: ({ key, after }) => {
      if (after === undefined || isOver(after)) open.delete(key);
      else open.set(key, after);
      if (after === undefined || after.status?.targetHost !== undefined) assumed.delete(key);
      refresh(key);
    },
    observeGuest: (name) => {
      for (const [key, move] of moves) if (move.guest === name) reserve(key);
    },
    assume: (move) => {
      assumed.set(move.key, move);
      refresh(move.key);
    },
    forget: (key) => {
      assumed.delete(key);
      refresh(key);
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
  };
}
