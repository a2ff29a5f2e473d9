/** The way back: what becomes of a guest that a maintenance has stopped or moved. Pure; called again after each change. */
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestFacts } from './guests.ts';
import { type Act, howToMove, RETRY_MS } from './leave.ts';

export type ComebackFacts = {
  facts: GuestFacts;
  host: string;
  /** The maintenance of that host goes on. */
  isInMaintenance: boolean;
  /** The move this maintenance made from the placement before the present one. */
  arrival: Stored<Migration> | undefined;
  /** Why the host does not take it back now, or undefined. */
  refusal: string | undefined;
  /** Wall clock milliseconds. */
  now: number;
};

/** One that had begun has cost its hosts something: so many times of what it took pass before the next, within these bounds. */
const RETRY_BEGUN = { times: 10, leastMs: 5 * RETRY_MS, mostMs: 6 * 3_600_000 };

/** For a guest whose record names `host`; acts are done in order. */
export function planComeback(comeback: ComebackFacts): Act[] {
  const { facts, host, isInMaintenance, arrival, refusal, now } = comeback;
  const { record, guest, own } = facts;
  const { placement } = guest.status ?? {};
  const forget: Act[] = [{ type: 'record', facts, record: undefined }];
  if (record === undefined || placement === undefined) return [];
  if (placement.host === host) {
    if (isInMaintenance) return [];
    const isUnderWay = own !== undefined && !isOver(own);
    if (isUnderWay && own.metadata.deletionTimestamp === undefined) return [{ type: 'dropMove', facts }];
    return isUnderWay ? [] : forget;
  }
  if (record.action === 'Stop') return forget;
  if (record.epoch === undefined) {
    // Without our own move behind it a person has moved it: that is where it belongs now.
    if (arrival === undefined) return forget;
    if (!isOver(arrival)) return [];
    return [{ type: 'record', facts, record: { host, action: 'Move', epoch: placement.epoch } }];
  }
  if (record.epoch !== placement.epoch) {
    // Somebody has moved it since, unless our own move back was called off at its hand-over: then its source has taken a new epoch.
    const { targetHost } =
      arrival?.spec.follows === undefined ? (arrival?.spec ?? {}) : (arrival.status ?? {});
    if (targetHost !== host || arrival?.status?.sourceHost !== placement.host) return forget;
    if (!isOver(arrival)) return [];
    return [{ type: 'record', facts, record: { host, action: 'Move', epoch: placement.epoch } }];
  }
  if (isInMaintenance || facts.isMovedByOthers) return [];
  if (own !== undefined) return mayTryAgain(own, now) ? [{ type: 'dropMove', facts }] : [];
  return refusal === undefined ? [{ type: 'move', facts, how: howToMove(facts), target: host }] : [];
}

/** A host that has just started says one thing and the next moment another: the first move may be refused, or find it away. */
function mayTryAgain({ status }: Stored<Migration>, now: number): boolean {
  if (status?.completedAt === undefined || status.phase === 'Succeeded') return false;
  const { startedAt, completedAt } = status;
  const endedAt = Date.parse(completedAt);
  const { times, leastMs, mostMs } = RETRY_BEGUN;
  const begunMs = Math.min(
    mostMs,
    Math.max(leastMs, times * (endedAt - Date.parse(startedAt ?? completedAt))),
  );
  return now - endedAt >= (startedAt === undefined ? RETRY_MS : begunMs);
}
