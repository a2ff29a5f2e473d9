/** The way out of a host in maintenance: for each guest what is done now and how it stands. Pure; called again after each change. */
import type { HostSpec } from '../../api/kinds/host.ts';
import { isOver } from '../../api/kinds/migration.ts';
import type { GuestMaintenance, MaintenanceGuest } from '../../api/maintenance.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { isMachine, nameOf } from '../guests.ts';
import type { GuestFacts } from './guests.ts';

export type Act =
  /** Remember, before anything is done, what is done to the guest; undefined: it is undone. */
  | { type: 'record'; facts: GuestFacts; record: Omit<GuestMaintenance, 'since'> | undefined }
  | { type: 'move'; facts: GuestFacts; how: 'Live' | 'Offline'; target?: string }
  /** Deletes the migration: one under way is given up by its hosts. */
  | { type: 'dropMove'; facts: GuestFacts };

export type LeaveFacts = {
  host: string;
  maintenance: NonNullable<HostSpec['maintenance']>;
  /** When it began, wall clock milliseconds. */
  since: number;
  now: number;
  /** Guests placed on the host. */
  guests: readonly GuestFacts[];
  /** Why no other host takes the guest, or undefined. */
  refusal(facts: GuestFacts, how: 'Live' | 'Offline'): string | undefined;
};

export type LeavePlan = { acts: readonly Act[]; guests: readonly MaintenanceGuest[]; isDrained: boolean };

/** A move that failed is tried again after this. */
export const RETRY_MS = 60_000;

export function planLeave(facts: LeaveFacts): LeavePlan {
  const { maintenance, since, now, host } = facts;
  const isLate = now >= since + (maintenance.deadlineSeconds ?? 3_600) * 1_000;
  const policy = maintenance.policy ?? 'Migrate';
  // The largest take longest: they go first.
  const inOrder = facts.guests.toSorted((a, b) => b.memoryBytes - a.memoryBytes || (a.key < b.key ? -1 : 1));
  const moving = inOrder.filter(({ own }) => own !== undefined && !isOver(own)).length;
  let free = (maintenance.parallel ?? 2) - moving;
  const acts: Act[] = [];
  const guests: MaintenanceGuest[] = [];
  const byKey = new Map(inOrder.map((guest) => [guest.key, guest]));
  /** Of each set one goes first, and tries again if need be. */
  const first = new Map<string, GuestFacts>();
  for (const guest of inOrder)
    if (guest.own !== undefined && !first.has(guest.key))
      for (const key of guest.companions) first.set(key, guest);
  for (const guest of inOrder) {
    const step = stepOf(guest, facts, { policy, isLate, mayMove: free > 0, first: first.get(guest.key) });
    if (step === undefined) continue;
    if (step.acts.some(({ type }) => type === 'move')) {
      free -= 1;
      for (const key of guest.companions) {
        first.set(key, guest);
        const other = byKey.get(key);
        if (other !== undefined && !isHeldOn(other.record, host)) acts.push(...remember(other, host));
      }
    }
    acts.push(...step.acts);
    guests.push(line(guest, step.state, step.message));
  }
  const isDrained = inOrder.every(
    ({ runs, isToRun, record }) => !runs && (!isToRun || isHeldOn(record, host)),
  );
  return { acts, guests, isDrained };
}

type Step = { acts: readonly Act[]; state: MaintenanceGuest['state']; message?: string };
type Course = {
  policy: 'Migrate' | 'Stop' | 'Leave';
  isLate: boolean;
  mayMove: boolean;
  /** Another of its set, with which it comes along. */
  first: GuestFacts | undefined;
};

function stepOf(guest: GuestFacts, facts: LeaveFacts, course: Course): Step | undefined {
  const { runs, isToRun, record, own } = guest;
  const isMoving = own !== undefined && !isOver(own);
  // What is off and stays off is no hindrance to a reboot.
  if (!runs && !isToRun && !isMoving && !isHeldOn(record, facts.host)) return undefined;
  if (isHeldOn(record, facts.host)) return { acts: [], state: runs ? 'Stopping' : 'Stopped' };
  if (course.policy === 'Migrate') return move(guest, facts, course);
  if (isMoving) return giveUp(guest);
  return course.policy === 'Stop' ? stop(guest, facts) : { acts: [], state: 'Left' };
}

function isHeldOn(record: GuestMaintenance | undefined, host: string): boolean {
  return record?.action === 'Stop' && record.host === host;
}

function stop(facts: GuestFacts, { host }: LeaveFacts): Step {
  return { acts: [{ type: 'record', facts, record: { host, action: 'Stop' } }], state: 'Stopping' };
}

function giveUp(facts: GuestFacts): Step {
  const acts: Act[] =
    facts.own?.metadata.deletionTimestamp === undefined ? [{ type: 'dropMove', facts }] : [];
  return { acts, state: 'Moving', message: 'its migration is given up' };
}

function move(guest: GuestFacts, facts: LeaveFacts, course: Course): Step {
  const { own } = guest;
  const why = obstacle(guest, facts);
  if (own !== undefined && !isOver(own)) {
    // One that waits for a host in vain must not keep the place of another.
    if (
      own.status?.targetHost === undefined &&
      why !== undefined &&
      own.metadata.deletionTimestamp === undefined
    )
      return { acts: [{ type: 'dropMove', facts: guest }], state: 'Blocked', message: why };
    const gone =
      course.isLate && facts.maintenance.fallback === 'Stop' && own.status?.startedAt === undefined;
    return gone ? giveUp(guest) : moving(own.status?.message);
  }
  if (guest.isMovedByOthers) return moving('somebody else moves it');
  if (course.isLate) return fallBack(guest, facts, why);
  if (own !== undefined) return retry(guest, facts, why);
  if (course.first !== undefined) return comeAlong(course.first);
  if (why !== undefined) return { acts: [], state: 'Blocked', message: why };
  if (!course.mayMove) return { acts: [], state: 'Waiting' };
  return begin(guest, facts);
}

function moving(message: string | undefined): Step {
  return { acts: [], state: 'Moving', ...(message === undefined ? {} : { message }) };
}

function comeAlong({ key, own }: GuestFacts): Step {
  const hasFailed = own !== undefined && isOver(own);
  const said = own?.status?.message;
  return {
    acts: [],
    state: hasFailed ? 'Blocked' : 'Moving',
    message: `it goes with ${key}${hasFailed && said !== undefined ? `: ${said}` : ''}`,
  };
}

/** The record first: a guest is never moved without what brings it back. */
function begin(facts: GuestFacts, { host }: LeaveFacts): Step {
  return {
    acts: [...remember(facts, host), { type: 'move', facts, how: howToMove(facts) }],
    state: 'Moving',
  };
}

function remember(facts: GuestFacts, host: string): Act[] {
  const isRecorded = facts.record?.host === host && facts.record.action === 'Move';
  return isRecorded ? [] : [{ type: 'record', facts, record: { host, action: 'Move' } }];
}

function retry(guest: GuestFacts, { now }: LeaveFacts, why: string | undefined): Step {
  const { own } = guest;
  const isDue = now - Date.parse(own?.status?.completedAt ?? '') >= RETRY_MS;
  const message = why ?? own?.status?.message;
  const acts: Act[] = isDue && why === undefined ? [{ type: 'dropMove', facts: guest }] : [];
  return { acts, state: 'Blocked', ...(message === undefined ? {} : { message }) };
}

function fallBack(guest: GuestFacts, facts: LeaveFacts, why: string | undefined): Step {
  if (facts.maintenance.fallback === 'Stop') return stop(guest, facts);
  return {
    acts: [],
    state: 'Left',
    message: why ?? guest.own?.status?.message ?? 'it had not moved by the deadline',
  };
}

export function howToMove({ guest, runs }: GuestFacts): 'Live' | 'Offline' {
  return isMachine(guest) && runs ? 'Live' : 'Offline';
}

/** Why the guest cannot leave by moving, before anyone tries. */
function obstacle(facts: GuestFacts, { refusal }: LeaveFacts): string | undefined {
  const how = howToMove(facts);
  const migratable = findCondition(facts.guest.status?.conditions, 'Migratable');
  if (how === 'Live' && migratable?.status === 'False') return migratable.message;
  return refusal(facts, how);
}

function line(
  { guest }: GuestFacts,
  state: MaintenanceGuest['state'],
  message: string | undefined,
): MaintenanceGuest {
  const text = message?.slice(0, 1_024);
  return { ...nameOf(guest), state, ...(text === undefined || text === '' ? {} : { message: text }) };
}
