/** The cluster's part of migrations: gives each its hosts in turn, watches over those under way, deletes finished ones in time. */
import { isDeepStrictEqual } from 'node:util';
import { MIGRATION_FINALIZERS } from '../../api/cluster.ts';
import { isProtected } from '../../api/ha.ts';
import type { Host } from '../../api/kinds/host.ts';
import { isOver, Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import { done, type Outcome, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import { findCondition } from '../../runtime/conditions.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest, StoredGuest } from '../guests.ts';
import { guestKey } from '../placement/placement.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { type Board, movedGuest } from './board.ts';
import { decideMigration, type MigrationDecision, type MigrationFacts, RECHECK_MS } from './decide.ts';
import { firstOf, followerOf, hasComeAlong, type Lead, leaderOf } from './follow.ts';
import { DEFAULT_LIMITS, inTurn, type Limits, mayArrive, reasonToWait } from './queue.ts';
import { askedBy, type Companion, companionsOf } from './set.ts';
import { migrationStatus } from './status.ts';
import { chooseTarget } from './target.ts';

export type MigrationSources = {
  migrations: Informer<Migration>;
  hosts: Informer<Host>;
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
  scheduler: Scheduler;
  board: Board;
  /** What the ClusterPolicy says now. */
  haPaused?(): 'Freeze' | 'Ignore' | undefined;
  /** How many guests may move in the cluster at the same time; 5 when absent. */
  inCluster?: number;
};

export function migrationController(
  sources: MigrationSources,
  triggers: readonly Trigger[],
): Controller<Migration> {
  return {
    name: 'migrations',
    kind: Migration,
    informer: sources.migrations,
    writes: ['status'],
    access: [{ kind: Migration, verbs: ['create', 'delete', 'patch'] }],
    triggers,
    // One after the other: each assignment counts for the next.
    concurrency: 1,
    reconcile: (pass) => reconcile(pass, sources),
  };
}

async function reconcile(pass: Pass<Migration>, sources: MigrationSources): Promise<PassResult<Migration>> {
  const { key, object, now } = pass;
  // An assignment of an earlier pass whose write was refused must not stay promised.
  if (object.status?.targetHost === undefined) sources.board.forget(key);
  const companions = companionsIn(pass, sources);
  const decision = decideMigration(factsOf(pass, sources, companions));
  await act(pass, decision, sources, companions);
  const status = migrationStatus(object, decision, now);
  return { outcome: outcomeOf(decision, object), ...(status === undefined ? {} : { status }) };
}

/** Who comes along; behind another one nobody does. Asked only where hosts are still to be given. */
function companionsIn({ object, key }: Pass<Migration>, sources: MigrationSources): readonly Companion[] {
  const guest = sources.guest(movedGuest(object));
  const { spec, status } = object;
  if (guest === undefined || isOver(object) || spec.follows !== undefined || status?.targetHost !== undefined)
    return [];
  return companionsOf(
    guest,
    { by: askedBy(object.metadata.name), type: spec.type },
    {
      scheduler: sources.scheduler,
      guest: sources.guest,
      host: (name) => sources.hosts.get(name),
      isOnItsWay: (other) => sources.board.isOnItsWay(other, key),
    },
  );
}

function factsOf(
  { object, key, now }: Pass<Migration>,
  sources: MigrationSources,
  companions: readonly Companion[],
): MigrationFacts {
  const { board, hosts, scheduler } = sources;
  const guest = sources.guest(movedGuest(object));
  const limits = limitsOf(sources);
  const lead = leadFor(object, guest, sources);
  return {
    migration: object,
    guest,
    now,
    lead,
    host: (name) => stateOf(hosts.get(name)),
    hasComeAlong: () => hasComeAlong(object, sources.migrations.byIndex('guest', movedGuest(object))),
    turn: () => {
      const line = board.line();
      const own = line.find((waitingOne) => waitingOne.key === key);
      return own === undefined ? undefined : reasonToWait(own, line, board.moves(), limits);
    },
    target: (moves) => {
      const source = hosts.get(guest?.status?.placement?.host ?? '');
      if (guest === undefined || source === undefined) throw new Error('asked for a target without a source');
      const isFrozen =
        sources.haPaused?.() === 'Freeze' &&
        [guest, ...companions.map((one) => one.guest)].some(({ spec }) => isProtected(spec.ha));
      const choice = chooseTarget({
        guest,
        source,
        asked: lead?.type === 'Goes' ? lead.host : object.spec.targetHost,
        isPersons: lead === undefined && askedBy(object.metadata.name) === 'Person',
        moves,
        isFrozen,
        postCopy: object.spec.allowPostCopy === true,
        storage: object.spec.storage,
        scheduler,
        companions,
        mayArrive: (host) => mayArrive(host, board.moves(), limits),
      });
      if ('reason' in choice) return choice;
      return {
        ...choice,
        with: companions.flatMap(({ key, source }) => (source === choice.host ? [] : [key])),
      };
    },
  };
}

/** A rule that was taken back binds nobody any more. */
function leadFor(
  migration: Stored<Migration>,
  guest: StoredGuest | undefined,
  { board, scheduler }: MigrationSources,
): Lead | undefined {
  if (isOver(migration) || migration.status?.targetHost !== undefined) return undefined;
  const leader = leaderOf(migration);
  if (leader === undefined) return undefined;
  const isPlaced = guest?.status?.placement !== undefined;
  // Before anything is said of a Migration that may be in another namespace.
  if (isPlaced && scheduler.bound(guest).every(({ key }) => key !== leader))
    return { type: 'Stays', message: `no rule binds it to ${leader}` };
  return board.lead(migration);
}

function limitsOf({ hosts, inCluster = DEFAULT_LIMITS.inCluster }: MigrationSources): Limits {
  const asked = (host: string) => hosts.get(host)?.spec.migrations;
  return {
    leaving: (host) => asked(host)?.leaving ?? DEFAULT_LIMITS.leaving,
    arriving: (host) => asked(host)?.arriving ?? DEFAULT_LIMITS.arriving,
    inCluster,
  };
}

function stateOf(host: Stored<Host> | undefined): ReturnType<MigrationFacts['host']> {
  if (host === undefined) return 'Gone';
  if (host.status?.state === 'Offline') return 'Silent';
  if (host.status?.state === 'Fenced') return 'Dead';
  return findCondition(host.status?.conditions, 'Ready')?.status === 'True' ? 'Ready' : 'NotReady';
}

async function act(
  { object, key, client, signal, event }: Pass<Migration>,
  decision: MigrationDecision,
  { board }: MigrationSources,
  companions: readonly Companion[],
): Promise<void> {
  switch (decision.type) {
    case 'assign': {
      const { source, target } = decision;
      const others = companions.filter((one) => decision.with.includes(one.key));
      const followers = others.map((one) => ({ guest: one.key, migration: followerOf(object, one) }));
      // Before this one has its hosts they do not begin; after it has them nobody would know that they are missing.
      for (const { migration } of followers)
        await client.create(Migration, migration, { signal }).catch(unlessThere);
      board.assume(
        { key, guest: movedGuest(object), source, target },
        followers.map(({ guest, migration }) => ({ key: keyOf(migration), guest, first: key, target })),
      );
      event('Normal', 'Assigned', `moves from ${source} to ${target}`);
      return;
    }
    case 'release': {
      const released: string[] = decision.hosts.map((side) => MIGRATION_FINALIZERS[side]);
      const finalizers = (object.metadata.finalizers ?? []).filter((name) => !released.includes(name));
      const patch = { metadata: { resourceVersion: object.metadata.resourceVersion, finalizers } };
      await client.mergePatch(Migration, object.metadata, patch, { signal });
      return;
    }
    case 'delete': {
      const { uid } = object.metadata;
      await client.delete(Migration, object.metadata, { uid, signal }).catch(unlessGone);
      return;
    }
    case 'end':
      if (decision.phase === 'Failed') event('Warning', decision.reason, decision.message);
      return;
    default:
      return;
  }
}

function unlessGone(error: unknown): void {
  if (!(error instanceof ApiError && (error.code === 404 || error.code === 409))) throw error;
}

function unlessThere(error: unknown): void {
  if (!(error instanceof ApiError && error.code === 409)) throw error;
}

function outcomeOf(decision: MigrationDecision, { spec }: Migration): Outcome {
  switch (decision.type) {
    case 'wait':
      return waiting(decision.reason, decision.message, Math.max(decision.afterMs, 1_000));
    case 'follow':
      return Number.isFinite(decision.afterMs) ? waiting('Watching', '', decision.afterMs) : done;
    case 'end': {
      const ttl = spec.ttlSecondsAfterFinished;
      return ttl === undefined ? done : waiting('TimeToLive', '', ttl * 1_000 + 50);
    }
    case 'assign':
    case 'cancel':
      return waiting('Watching', '', RECHECK_MS);
    default:
      return done;
  }
}

/** Of those that wait so many are looked at when a place becomes free: the others keep their turn. */
const WOKEN = 20;

/** What wakes migrations beside their guests: a host came or went, another move made room. */
export function migrationTriggers({ migrations, hosts, board }: MigrationSources): Trigger[] {
  const front = () =>
    board
      .line()
      .toSorted(inTurn)
      .slice(0, WOKEN)
      .map(({ key }) => key);
  const limits = (host: Stored<Host> | undefined) => host?.spec.migrations;
  return [
    trigger(hosts, ({ before, after }) => {
      const name = (after ?? before)?.metadata.name ?? '';
      const isSame = stateOf(before) === stateOf(after) && isDeepStrictEqual(limits(before), limits(after));
      if (before !== undefined && isSame) return [];
      return [...migrations.byIndex('host', name).map(keyOf), ...front()];
    }),
    // What follows another one begins with it, or stays with it.
    trigger(migrations, ({ before, after }) => {
      const view = (one: Migration | undefined) =>
        JSON.stringify([one?.status?.targetHost, one?.status?.completedAt, one === undefined]);
      const migration = after ?? before;
      if (migration === undefined || view(before) === view(after)) return [];
      return migrations.byIndex('follows', keyOf(migration)).map(keyOf);
    }),
    trigger(migrations, ({ before, after }) => {
      const ended = before !== undefined && !isOver(before) && (after === undefined || isOver(after));
      return ended ? front() : [];
    }),
  ];
}

/** A guest moved, or it can move now and could not before, or the other way round. */
export function migrationsOfGuests<T extends Guest>(
  guests: Informer<T>,
  { migrations }: Pick<MigrationSources, 'migrations'>,
): Trigger {
  return trigger(guests, ({ before, after }) => {
    const guest = after ?? before;
    if (guest === undefined || (before !== undefined && after !== undefined && !isNews(before, after)))
      return [];
    const key = guestKey(guest);
    return [...migrations.byIndex('guest', key), ...migrations.byIndex('leader', key)].map(keyOf);
  });
}

function isNews(before: Guest, after: Guest): boolean {
  const view = ({ status, metadata }: Guest) =>
    JSON.stringify([
      status?.placement,
      metadata.deletionTimestamp,
      ...['Running', 'Migratable'].map((type) => findCondition(status?.conditions, type)?.status),
    ]);
  return view(before) !== view(after);
}

/** The indexes of the informer of migrations. */
export const migrationIndexes = {
  guest: (migration: Migration) => [movedGuest(migration)],
  host: ({ status }: Migration) => [status?.sourceHost, status?.targetHost].flatMap((name) => name ?? []),
  follows: (migration: Migration) => [firstOf(migration)].flatMap((key) => key ?? []),
  leader: (migration: Migration) => [leaderOf(migration)].flatMap((key) => key ?? []),
};

function keyOf({ metadata }: Migration): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`;
}
