/** What follows when a protected guest does not start where it is: more tries there, another host, or the end. Pure; called again each round. */
import type { GuestHa } from '../../api/ha.ts';
import type { HAGroupSpec } from '../../api/kinds/haGroup.ts';
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import { objectName } from '../../api/objectName.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { isMachine, nameOf, type StoredGuest } from '../guests.ts';
import type { StartAttempt } from '../ha/model.ts';
import { isBetter, type Verdict } from '../placement/choose.ts';
import { guestView, isToRun } from './guestViews.ts';
import { type Member, wishOf } from './sets.ts';

export type StartLimits = { maxRestart: number; maxRelocate: number };

/** The guest's own limits go before its group's; undefined: its host tries for ever. */
export function limitsOf(ha: GuestHa | undefined, group: HAGroupSpec | undefined): StartLimits | undefined {
  const maxRestart = ha?.maxRestart ?? group?.maxRestart;
  const maxRelocate = ha?.maxRelocate ?? group?.maxRelocate;
  if (maxRestart === undefined && maxRelocate === undefined) return undefined;
  return { maxRestart: maxRestart ?? 1, maxRelocate: maxRelocate ?? 1 };
}

export type StartPlan =
  /** Stored before anything else is done: the next leader goes on from it. */
  | { type: 'Note'; attempts: readonly StartAttempt[] }
  | { type: 'Move'; to: string; name: string }
  | { type: 'GiveUp'; attempts: readonly StartAttempt[] };

export type StartFacts = {
  guest: StoredGuest;
  limits: StartLimits;
  group: HAGroupSpec | undefined;
  migrations: readonly Stored<Migration>[];
  /** Those that come along. */
  others: readonly Member[];
  /** Hosts it could go to while it is off. */
  verdicts(): readonly Verdict[];
};

/** Undefined while there is nothing to do. */
export function planStart({
  guest,
  limits,
  group,
  migrations,
  others,
  verdicts,
}: StartFacts): StartPlan | undefined {
  const { placement, startFailure: failure } = guest.status ?? {};
  const record = guestView(guest)?.record;
  if (placement === undefined || (record?.state !== 'Starting' && record?.state !== 'Started'))
    return undefined;
  if (failure === undefined || failure.epoch !== placement.epoch || !isToRun(guest) || runs(guest))
    return undefined;
  if (migrations.some((migration) => !isOver(migration))) return undefined;
  const { host, epoch } = placement;
  const { attempts = [] } = record;
  const here = attempts.filter((attempt) => attempt.epoch === epoch);
  const to = here.at(-1)?.to;
  if (to !== undefined) {
    const name = moveName(guest, `${epoch}-${here.length}`);
    if (!migrations.some(({ metadata }) => metadata.name === name)) return { type: 'Move', to, name };
  }
  if (failure.count < (limits.maxRestart + 1) * (here.length + 1)) return undefined;
  const attempt = { host, epoch, failures: failure.count };
  if (attempts.length >= limits.maxRelocate) return { type: 'GiveUp', attempts: [...attempts, attempt] };
  const theirs = others.flatMap((other) => guestView(other.guest)?.record.attempts ?? []);
  const tried = new Set([host, ...[...attempts, ...theirs].map((one) => one.host)]);
  const next = bestOf(
    verdicts().filter((verdict) => !tried.has(verdict.host)),
    [group, ...others.map((other) => other.group)],
  );
  return { type: 'Note', attempts: [...attempts, next === undefined ? attempt : { ...attempt, to: next }] };
}

/** The agent says that the guest runs. */
export function runs({ status }: StoredGuest): boolean {
  return findCondition(status?.conditions, 'Running')?.status === 'True';
}

/** Of a move by high availability: two leaders make the same one. */
export function moveName(guest: StoredGuest, what: string): string {
  return objectName(`ha-${isMachine(guest) ? 'vm' : 'ct'}-${nameOf(guest).name}-${what}`);
}

/** Preferred hosts first, then as placement ranks them. `groups`: of all that would move. */
export function bestOf(
  verdicts: readonly Verdict[],
  groups: readonly (HAGroupSpec | undefined)[],
): string | undefined {
  const { preference } = wishOf(groups);
  return verdicts
    .flatMap((verdict) => (verdict.fits ? [verdict] : []))
    .sort((a, b) => preference(b.host) - preference(a.host) || (isBetter(a, b) ? -1 : 1))[0]?.host;
}

/** For people: `a (2 starts failed)`. */
export function explainAttempts(attempts: readonly StartAttempt[]): string {
  return attempts.map(({ host, failures }) => `${host} (${failures} starts failed)`).join(', then ');
}
