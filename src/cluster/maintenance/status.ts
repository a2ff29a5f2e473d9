/** What a Host says of its maintenance: who is still to leave, and whether it may be rebooted. Pure. */
import type { Host, HostStatus } from '../../api/kinds/host.ts';
import type { MaintenanceGuest } from '../../api/maintenance.ts';
import type { Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import {
  type ConditionInput,
  findCondition,
  removeCondition,
  setCondition,
} from '../../runtime/conditions.ts';
import type { LeavePlan } from './leave.ts';

/** So many guests are named in the condition; all that fit stand in status.maintenance. */
const NAMED = 8;
const LISTED = 256;

/** Undefined `plan`: no maintenance. `since` in wall clock milliseconds. */
export function maintenanceStatus(
  host: Stored<Host>,
  plan: LeavePlan | undefined,
  { since, now }: { since: number; now: number },
): HostStatus {
  const { maintenance: _, conditions = [], ...status } = host.status ?? {};
  if (plan === undefined) return { ...status, conditions: removeCondition(conditions, 'Drained') };
  const context = { now, generation: host.metadata.generation };
  return {
    ...status,
    maintenance: {
      since: timeOf(since),
      guests: plan.guests.slice(0, LISTED),
    },
    conditions: setCondition(conditions, drained(host, plan), context),
  };
}

function drained(host: Stored<Host>, { guests, isDrained }: LeavePlan): ConditionInput {
  if (findCondition(host.status?.conditions, 'Ready')?.status !== 'True') {
    const message = 'the host is not ready: what runs there is known when its agent reports again';
    return { type: 'Drained', status: 'Unknown', reason: 'HostNotReady', message };
  }
  const running = host.status?.guests?.some((guest) => guest.running) === true;
  if (isDrained && !running) {
    return {
      type: 'Drained',
      status: 'True',
      reason: 'Drained',
      message: 'no guest runs here: the host may be rebooted',
    };
  }
  const stuck = guests.filter(({ state }) => state === 'Blocked' || state === 'Left');
  const goesOn = guests.some(
    ({ state }) => state === 'Waiting' || state === 'Moving' || state === 'Stopping',
  );
  const named = (stuck.length > 0 ? stuck : guests.filter(({ state }) => state !== 'Stopped')).map(nameGuest);
  const more = named.length > NAMED ? '; more in status.maintenance.guests' : '';
  const message =
    named.length === 0
      ? 'waits for what guests have left behind'
      : `${named.slice(0, NAMED).join('; ')}${more}`;
  const reason = goesOn || stuck.length === 0 ? 'Draining' : stuck.some(isBlocked) ? 'Blocked' : 'GuestsLeft';
  return { type: 'Drained', status: 'False', reason, message };
}

function isBlocked({ state }: MaintenanceGuest): boolean {
  return state === 'Blocked';
}

/** Without its progress, which would be a write each time. */
function nameGuest({ kind, namespace, name, state, message }: MaintenanceGuest): string {
  const why =
    (state === 'Blocked' || state === 'Left') && message !== undefined ? ` (${message.slice(0, 256)})` : '';
  return `${kind} ${namespace}/${name}: ${state}${why}`;
}
