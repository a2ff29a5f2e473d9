/** The legal moves of hosts and guests, as data, and the one door they go through. The diagrams in docs/safety.md come from these tables. */
import type { GuestRecord, GuestState, HostRecord, HostState } from './model.ts';

export const HOST_MOVES: Readonly<Record<HostState, readonly HostState[]>> = {
  Online: ['Maintenance', 'Suspect', 'Offline'],
  Maintenance: ['Online', 'Suspect', 'Offline'],
  Suspect: ['Online', 'Maintenance', 'Fencing', 'Offline'],
  Fencing: ['Online', 'Maintenance', 'Fenced'],
  Fenced: ['Online', 'Maintenance'],
  Offline: ['Online', 'Maintenance'],
};

export const GUEST_MOVES: Readonly<Record<GuestState, readonly GuestState[]>> = {
  Stopped: ['Starting', 'Started', 'Migrating', 'Relocating', 'Disabled', 'Ignored', 'Error'],
  Starting: [
    'Started',
    'Stopping',
    'Starting',
    'Relocating',
    'Fencing',
    'Recovering',
    'Frozen',
    'Error',
    'Ignored',
  ],
  Started: [
    ...(['Starting', 'Stopping', 'Migrating', 'Relocating', 'Fencing', 'Recovering', 'Frozen'] as const),
    ...(['Error', 'Ignored'] as const),
  ],
  Stopping: ['Stopped', 'Disabled', 'Started', 'Fencing', 'Error', 'Ignored'],
  Migrating: [
    ...(['Started', 'Starting', 'Stopped', 'Stopping', 'Fencing', 'Recovering', 'Frozen', 'Error'] as const),
    'Ignored',
  ],
  Relocating: [
    ...(['Started', 'Starting', 'Stopped', 'Stopping', 'Fencing', 'Recovering', 'Frozen', 'Error'] as const),
    'Ignored',
  ],
  Fencing: ['Started', 'Starting', 'Recovering', 'Stopped', 'Disabled', 'Ignored'],
  Recovering: ['Starting', 'Started', 'Stopped', 'Disabled', 'Ignored', 'Error'],
  Frozen: ['Starting', 'Started', 'Recovering', 'Fencing', 'Stopping', 'Stopped', 'Disabled', 'Ignored'],
  Error: ['Disabled', 'Ignored'],
  Disabled: ['Stopped', 'Starting', 'Started', 'Ignored', 'Error'],
  Ignored: ['Started', 'Starting', 'Stopped', 'Stopping', 'Disabled', 'Recovering', 'Error'],
};

/** The record in its next state. Throws on a move that is not in the table: a mistake of the engine, never of a user. */
export function moveHost(record: HostRecord, state: HostState, change: Partial<HostRecord> = {}): HostRecord {
  check(HOST_MOVES, record.state, state, 'host');
  const { reason: _reason, ...rest } = record;
  return { ...rest, ...change, state };
}

/** As `moveHost`; what explains a wait goes with the state it explains. */
export function moveGuest(
  record: GuestRecord,
  state: GuestState,
  change: Partial<GuestRecord> = {},
): GuestRecord {
  check(GUEST_MOVES, record.state, state, 'guest');
  const { reason: _reason, ...rest } = record;
  return { ...rest, ...change, state };
}

function check<S extends string>(
  moves: Readonly<Record<S, readonly S[]>>,
  from: S,
  to: S,
  what: string,
): void {
  if (!moves[from].includes(to)) throw new Error(`a ${what} cannot go from ${from} to ${to}`);
}

/** The record without a field: absent, not undefined, as it is stored. */
export function without<T extends object, K extends keyof T>(record: T, ...names: readonly K[]): Omit<T, K> {
  const gone: readonly PropertyKey[] = names;
  if (!gone.some((name) => name in record)) return record;
  return Object.fromEntries(Object.entries(record).filter(([name]) => !gone.includes(name))) as Omit<T, K>;
}

/** Without what belongs to a move or to failed starts. */
export function settled(record: GuestRecord): GuestRecord {
  return without(record, 'target', 'move', 'tried', 'relocations', 'unstarted');
}

/** No move is under way any more; where moves have failed says nothing of starts. */
export function moved(record: GuestRecord): GuestRecord {
  return without(record, 'target', 'move', 'tried');
}

/** Its host is lost: starts that have failed still count, unless it has run since. */
export function bereft(record: GuestRecord): GuestRecord {
  return record.state === 'Starting' ? without(record, 'target', 'move', 'unstarted') : settled(record);
}
