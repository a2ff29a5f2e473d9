/**
 * What the cluster does about a Migration: waits, assigns both hosts, asks the source to give up, or ends what no host will end. Once hosts
 * are assigned only they say how far it is. Pure.
 */
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import { isOver, type Migration, type MigrationPhase } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { StoredGuest } from '../guests.ts';
import type { Lead } from './follow.ts';
import { howToMove, type Reason } from './how.ts';
import { poolWithoutVolume } from './storage.ts';

export type MigrationFacts = {
  migration: Stored<Migration>;
  guest: StoredGuest | undefined;
  /** Gone: there is no such Host. Dead: it is proven that nothing runs there. Silent: it does not renew its Lease. */
  host(name: string): 'Ready' | 'NotReady' | 'Silent' | 'Dead' | 'Gone';
  /** Of one that follows another: how that stands. */
  lead?: Lead | undefined;
  /** The guest has come along with its set since this was asked for. */
  hasComeAlong(): boolean;
  /** Why it has to wait for other moves. */
  turn(): Reason | undefined;
  /** The host it moves to; `final`: waiting will not help. */
  target(type: 'Live' | 'Offline'): { host: string; with: readonly string[] } | (Reason & { final: boolean });
  /** Wall clock, milliseconds. */
  now: number;
};

export type MigrationDecision =
  | { type: 'end'; phase: MigrationPhase; reason: string; message: string }
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  | {
      type: 'assign';
      moves: 'Live' | 'Offline';
      guestUID: string;
      source: string;
      target: string;
      epoch: number;
      /** Guests of its set that go there too. */
      with: readonly string[];
    }
  /** The source is asked to give up. */
  | { type: 'cancel'; reason: string; message: string }
  /** Both hosts are at work. */
  | { type: 'follow'; afterMs: number }
  /** The hosts that would have let it go are gone. */
  | { type: 'release'; hosts: readonly ('source' | 'target')[] }
  | { type: 'delete' };

/** What waits for something that tells nobody is looked at again after this. */
export const RECHECK_MS = 30_000;

export function decideMigration(facts: MigrationFacts): MigrationDecision {
  const { migration } = facts;
  if (isOver(migration) || migration.metadata.deletionTimestamp !== undefined) {
    const gone = goneHosts(facts);
    if (gone.length > 0) return { type: 'release', hosts: gone };
  }
  if (isOver(migration)) return expire(facts);
  if (migration.status?.targetHost !== undefined) return watchOver(facts);
  if (migration.metadata.deletionTimestamp !== undefined) return { type: 'follow', afterMs: RECHECK_MS };
  return begin(facts);
}

function end(phase: MigrationPhase, reason: string, message: string): MigrationDecision {
  return { type: 'end', phase, reason, message };
}

function expire({ migration: { spec, status, metadata }, now }: MigrationFacts): MigrationDecision {
  if (metadata.deletionTimestamp !== undefined || spec.ttlSecondsAfterFinished === undefined) {
    return { type: 'follow', afterMs: Number.POSITIVE_INFINITY };
  }
  const leftMs = Date.parse(status?.completedAt ?? '') + spec.ttlSecondsAfterFinished * 1_000 - now;
  return leftMs > 0 ? { type: 'follow', afterMs: leftMs } : { type: 'delete' };
}

function goneHosts({ migration: { status, metadata }, host }: MigrationFacts): ('source' | 'target')[] {
  const names = { source: status?.sourceHost, target: status?.targetHost };
  return (['source', 'target'] as const).filter((side) => {
    const name = names[side];
    const holds = metadata.finalizers?.includes(`vireo.dev/migration-${side}`) === true;
    return holds && name !== undefined && host(name) === 'Gone';
  });
}

function begin(facts: MigrationFacts): MigrationDecision {
  const { migration, guest, now } = facts;
  const { spec } = migration;
  if (isRestoredCopy(migration)) {
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of a migration: it is never executed');
  }
  const deadline = startDeadlineOf(migration);
  if (deadline <= now) {
    const waited = migration.status?.message;
    const message = 'it could not begin within startDeadlineSeconds';
    return end('Failed', 'Expired', waited === undefined ? message : `${message}: ${waited}`);
  }
  const afterMs = Math.min(deadline - now, RECHECK_MS);
  const wait = ({ reason, message }: Reason): MigrationDecision => ({
    type: 'wait',
    reason,
    message,
    afterMs,
  });
  const { lead } = facts;
  if (lead !== undefined && lead.type !== 'Goes')
    return lead.type === 'Stays'
      ? end('Cancelled', 'SetStays', lead.message)
      : wait({ reason: 'Follows', message: lead.message });
  if (guest === undefined) {
    return wait({
      reason: 'GuestNotFound',
      message: `${spec.guest.kind} "${spec.guest.name}" does not exist in this namespace`,
    });
  }
  if (guest.metadata.deletionTimestamp !== undefined)
    return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  const placement = guest.status?.placement;
  if (placement === undefined)
    return wait({ reason: 'WaitingForPlacement', message: 'the guest has no host yet' });
  const asked = lead?.host ?? spec.targetHost;
  if (asked === undefined && facts.hasComeAlong())
    return end('Succeeded', 'MovedWithSet', `the guest has come to ${placement.host} with its set meanwhile`);
  if (placement.host === asked) return end('Succeeded', 'AlreadyThere', `the guest is on ${placement.host}`);

  const unused = poolWithoutVolume(guest, spec.storage);
  if (unused !== undefined)
    return end(
      'Failed',
      'PoolNotUsed',
      `spec.storage names the pool ${unused}, in which the guest has no volume`,
    );
  const moves = howToMove(spec.type, guest);
  if (moves === undefined) {
    return wait({
      reason: 'WaitingForHost',
      message: 'its host has not said yet whether the guest can move',
    });
  }
  if (typeof moves !== 'string') return end('Failed', moves.reason, moves.message);
  if (facts.host(placement.host) !== 'Ready') {
    return wait({
      reason: 'SourceNotReady',
      message: `the host ${placement.host} is not ready: it begins when it is`,
    });
  }
  if (asked !== undefined && ['NotReady', 'Dead'].includes(facts.host(asked))) {
    return wait({
      reason: 'TargetNotReady',
      message: `the host ${asked} is not ready: it begins when it is`,
    });
  }
  const turn = facts.turn();
  if (turn !== undefined) return wait(turn);
  const target = facts.target(moves);
  if ('reason' in target) return target.final ? end('Failed', target.reason, target.message) : wait(target);
  const { host: source, epoch } = placement;
  const { host, with: others } = target;
  return { type: 'assign', moves, guestUID: guest.metadata.uid, source, target: host, epoch, with: others };
}

/** The source decides what becomes of the guest; the cluster tells it what it cannot see, and speaks for it when it is gone. */
function watchOver(facts: MigrationFacts): MigrationDecision {
  const { migration, guest, now } = facts;
  const { sourceHost: source = '', targetHost: target = '', cancel } = migration.status ?? {};
  const arrived = guest?.status?.placement?.host === target;
  if (facts.host(source) === 'Gone') {
    return arrived
      ? end(
          'Succeeded',
          'SourceGone',
          'the guest is on its target; the source host has been removed meanwhile',
        )
      : end('Failed', 'SourceGone', 'the source host has been removed');
  }
  const ended = endWithoutSource(facts);
  if (ended !== undefined) return ended;
  if (migration.status?.startedAt === undefined) {
    const assignedAt = Date.parse(migration.status?.assignedAt ?? '');
    const leftMs = assignedAt + (migration.spec.startDeadlineSeconds ?? 600) * 1_000 - now;
    if (leftMs <= 0)
      return end('Failed', 'Expired', `the host ${source} did not begin within startDeadlineSeconds`);
  }
  const state = facts.host(target);
  const lost = !arrived && cancel === undefined && ['Gone', 'Dead', 'Silent'].includes(state);
  if (lost)
    return { type: 'cancel', reason: 'TargetLost', message: `the host ${target} is away: the guest stays` };
  return { type: 'follow', afterMs: RECHECK_MS };
}

/**
 * The source will say nothing for as long as it is lost, and the next move of the guest is not to wait for that. On the target its agent knows what to do
 * without the source, and says when the guest is at home.
 */
function endWithoutSource({ migration, guest, host }: MigrationFacts): MigrationDecision | undefined {
  const { sourceHost: source = '', targetHost, target } = migration.status ?? {};
  const placed = guest?.status?.placement?.host;
  if (host(source) !== 'Dead' || placed === undefined || placed === source) return undefined;
  // The target has given up what waited for the guest before that was recovered there.
  const isAnew = target?.state === 'Cleaned';
  if (placed !== targetHost || isAnew)
    return end('Failed', 'SourceLost', `the source host was lost, and the guest is on ${placed} now`);
  return target?.state === 'Settled'
    ? end('Succeeded', 'SourceLost', 'the guest is on its target; the source host was lost meanwhile')
    : undefined;
}
