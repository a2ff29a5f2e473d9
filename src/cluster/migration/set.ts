/** The other guests of a set that strict rules keep together: how each of them would move with the one that is asked for, or what is in the way. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { isMachine, type StoredGuest } from '../guests.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { howItMoves, howToMove, type Reason } from './how.ts';

export type Companion = {
  /** `<kind>/<namespace>/<name>`. */
  key: string;
  guest: StoredGuest;
  /** What binds it, for people. */
  rule: string;
  source: string;
  /** The Host `source`; undefined where there is no such one. */
  host: Stored<Host> | undefined;
  /** What its Migration asks for, and what that comes to. */
  type: 'Auto' | 'Live' | 'Offline';
  moves: 'Live' | 'Offline';
  /** Why it cannot move; `final`: waiting will not help. */
  obstacle: (Reason & { final: boolean }) | undefined;
};

export type SetSources = {
  scheduler: Pick<Scheduler, 'bound'>;
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
  host(name: string): Stored<Host> | undefined;
  /** It has been given hosts to move, or goes behind one that has. */
  isOnItsWay?(key: string): boolean;
};

/** Who asks for the move of the one guest, and how it is to move. */
export type Asked = { by: 'Person' | 'Maintenance' | 'Availability'; type: MigrationSpec['type'] };

/** By what their Migrations are called. */
export function askedBy(name: string): Asked['by'] {
  if (name.startsWith('ha-')) return 'Availability';
  return name.startsWith('maintenance-') ? 'Maintenance' : 'Person';
}

/** Those that are being removed go nowhere; one elsewhere whose host is away cannot come, and holds nobody: it comes to the others later. */
export function companionsOf(guest: StoredGuest, asked: Asked, sources: SetSources): Companion[] {
  return sources.scheduler.bound(guest).flatMap(({ key, rule }) => {
    const other = sources.guest(key);
    if (other === undefined || other.metadata.deletionTimestamp !== undefined) return [];
    const source = other.status?.placement?.host ?? '';
    const host = sources.host(source);
    const isElsewhere = source !== '' && source !== guest.status?.placement?.host;
    if (isElsewhere && !isReady(host)) return [];
    const type = typeOf(other, asked);
    const how = howToMove(type, other);
    const isOnItsWay = sources.isOnItsWay?.(key) === true;
    const obstacle = obstacleOf(host, how, isOnItsWay);
    const moves = how === 'Live' ? how : 'Offline';
    return [{ key, guest: other, rule, source, host, type, moves, obstacle }];
  });
}

/** A machine that runs is stopped for it only by high availability, or where a person has said so; a container moves no other way. */
function typeOf(guest: StoredGuest, { by, type }: Asked): Companion['type'] {
  if (by === 'Availability') return howItMoves(guest);
  if (by === 'Maintenance') return isMachine(guest) ? 'Live' : 'Auto';
  if (type === 'Offline') return 'Auto';
  return isMachine(guest) || type === 'Live' ? 'Live' : 'Auto';
}

function isReady(host: Stored<Host> | undefined): boolean {
  return findCondition(host?.status?.conditions, 'Ready')?.status === 'True';
}

function obstacleOf(
  host: Stored<Host> | undefined,
  how: ReturnType<typeof howToMove>,
  isOnItsWay: boolean,
): Companion['obstacle'] {
  if (isOnItsWay)
    return { reason: 'SetMoves', message: 'it is on its way by another Migration', final: false };
  if (host === undefined) return { reason: 'WaitingForPlacement', message: 'it has no host', final: false };
  if (!isReady(host))
    return {
      reason: 'SourceNotReady',
      message: `its host ${host.metadata.name} is not ready`,
      final: false,
    };
  if (how === undefined)
    return {
      reason: 'WaitingForHost',
      message: 'its host has not said yet whether it can move',
      final: false,
    };
  return typeof how === 'string' ? undefined : { ...how, final: true };
}

/** For messages: who it is, and why it has to come along. */
export function whoIs({ key, rule }: Pick<Companion, 'key' | 'rule'>): string {
  return `${key}, which ${rule} binds to it`;
}
