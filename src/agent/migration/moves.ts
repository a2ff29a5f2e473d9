/** Puts both sides of moves together: their informers, what wakes them, what answers targets, and moves whose Migration is gone. */
import { isOver, Migration } from '../../api/kinds/migration.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, type Outcome } from '../../base/outcome.ts';
import type { Informer, Informers } from '../../client/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { CONTROLLERS } from '../access.ts';
import type { Answerer } from '../peers/answer.ts';
import type { GuestRecord } from '../record.ts';
import { findMigration, passOfRecord } from './passes.ts';
import { answerTarget } from './source/answer.ts';
import { createSource } from './source/controller.ts';
import { createTarget } from './target/controller.ts';
import { type MoveWorld, movedGuest, moveKey } from './world.ts';

export type Moves = {
  controllers: readonly Controller<Migration>[];
  /** Answers targets of moves from here. */
  answer: Answerer;
  /** Has the moves of a guest looked at again. */
  wake(record: GuestRecord): void;
  /** Records with a move whose Migration this host does not see. */
  unattended(): readonly GuestRecord[];
  /** Ends such a move unless its Migration is still there. */
  settle(record: GuestRecord, signal: AbortSignal): Promise<Outcome>;
  synced(signal: AbortSignal): Promise<void>;
};

export function createMoves(world: MoveWorld, informers: Informers): Moves {
  const { guests } = world;
  const { host } = guests;
  const indexes = { guest: (migration: Migration) => [movedGuest(migration)] };
  const leaving = informers.informer(Migration, { fieldSelector: `status.sourceHost=${host}`, indexes });
  const coming = informers.informer(Migration, { fieldSelector: `status.targetHost=${host}`, indexes });
  const hasWork = (migration: Stored<Migration>) =>
    !isOver(migration) ||
    guests.records
      .all()
      .some(({ incoming, outgoing }) => (incoming ?? outgoing)?.migration.uid === migration.metadata.uid);
  const source = createSource(world, leaving, [ofSettled(leaving, hasWork, guests.settled.listen)]);
  const target = createTarget(world, coming, [ofSettled(coming, hasWork, guests.settled.listen)]);

  const isSeen = ({ incoming, outgoing }: GuestRecord): boolean => {
    const name = (incoming ?? outgoing)?.migration;
    const informer = incoming === undefined ? leaving : coming;
    return name === undefined || informer.get(moveKey(name))?.metadata.uid === name.uid;
  };
  return {
    controllers: [source.controller, target.controller],
    answer: (...asked) => answerTarget(world, ...asked),
    wake: ({ incoming, outgoing }) => {
      if (outgoing !== undefined) guests.enqueue(CONTROLLERS.departures, moveKey(outgoing.migration));
      if (incoming !== undefined) guests.enqueue(CONTROLLERS.arrivals, moveKey(incoming.migration));
    },
    unattended: () => guests.records.all().filter((record) => !isSeen(record)),
    settle: async (record, until) => {
      const name = (record.incoming ?? record.outgoing)?.migration;
      if (name === undefined || (await findMigration(world, name, until)) !== undefined) return done;
      const side = record.incoming === undefined ? source : target;
      return side.settle(passOfRecord(world, record, name, until));
    },
    synced: async (until) => {
      await Promise.all([leaving.synced(until), coming.synced(until)]);
    },
  };
}

/** The guest was looked at: it runs, is off, or is placed here now. Moves that are over only take the turn of the one under way. */
function ofSettled(
  informer: Informer<Migration>,
  hasWork: (migration: Stored<Migration>) => boolean,
  listen: (listener: (guest: string) => void) => () => void,
): Trigger {
  return {
    subscribe: (enqueue) =>
      listen((guest) => {
        for (const migration of informer.byIndex('guest', guest))
          if (hasWork(migration)) enqueue(keyOf(migration.metadata));
      }),
  };
}
