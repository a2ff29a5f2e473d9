/** What becomes of each guest: one function for each state it may be in. Pure; the word that moves it is written by compare-and-swap. */
import { byFate, fromFencing, fromFrozen, fromRecovering } from './lost.ts';
import {
  CANNOT_LEAVE,
  type GuestState,
  type GuestView,
  type HostView,
  isSameLife,
  RULE_BROKEN,
} from './model.ts';
import { adopt, isStoppedForSure, start, startElsewhere } from './place.ts';
import { provesEnd } from './proofs.ts';
import {
  foundOn,
  hostOf,
  isGoneWithItsLife,
  isLeaving,
  isPresent,
  type Next,
  placeOn,
  type Round,
  reportOf,
  to,
  waitFor,
} from './round.ts';
import { isShuttingDown } from './shutdown.ts';
import { moved, settled, without } from './states.ts';

/** The guest's next record, or undefined. */
export function nextGuest(guest: GuestView, round: Round): Next {
  const { record, wanted } = guest;
  if (wanted === 'Ignored')
    return record.state === 'Ignored' ? undefined : to(settled(record), 'Ignored', 'released');
  return STEPS[record.state](guest, round);
}

type Step = (guest: GuestView, round: Round) => Next;

const STEPS: Readonly<Record<GuestState, Step>> = {
  Stopped: fromStopped,
  Starting: fromStarting,
  Started: fromStarted,
  Stopping: fromStopping,
  Migrating: fromMove,
  Relocating: fromMove,
  Fencing: fromFencing,
  Recovering: fromRecovering,
  Frozen: fromFrozen,
  Error: (guest) =>
    guest.wanted === 'Disabled' ? to(settled(guest.record), 'Disabled', 'disabled') : undefined,
  Disabled: fromDisabled,
  Ignored: fromIgnored,
};

function fromStopped(guest: GuestView, round: Round): Next {
  const { record, wanted, lock } = guest;
  if (wanted === 'Disabled') return to(record, 'Disabled', 'disabled');
  const found = foundOn(guest, round);
  if (wanted === 'Started') {
    if (found !== undefined) return adopt(guest, found.host, found.report.epoch);
    if (lock === 'Create') return to(record, 'Error', 'CreateInterrupted: it was never made whole');
    const { haPaused, rebalancing } = round.view.policy;
    if (haPaused === 'Freeze') return waitFor(guest, 'Paused');
    if (!isStoppedForSure(guest, round)) return waitFor(guest, 'WaitingForProof');
    const atHome = haPaused === 'Ignore';
    return start(guest, round, 'to run', { stays: atHome || !rebalancing.onStart, atHome });
  }
  return followFate(guest, round);
}

/** A guest that is off leaves a host that has died, so that it can be started; not one that was switched off in order. */
function followFate(guest: GuestView, round: Round): Next {
  const host = hostOf(guest, round);
  if (host?.record.state !== 'Fenced' || round.view.policy.haPaused !== undefined) return undefined;
  const choice = round.chooser.choose([guest]);
  const other = 'host' in choice ? round.view.hosts.get(choice.host) : undefined;
  const placement = other === undefined ? undefined : placeOn(guest, other);
  if (placement === undefined) return waitFor(guest, `NoHost: ${'reason' in choice ? choice.reason : ''}`);
  return { record: { ...without(guest.record, 'reason'), placement }, reason: 'its host was lost' };
}

/** It is off on a host that starts nobody any more. Maintenance goes before what becomes of those of a host that is down, which may take for ever. */
function leftBehind(guest: GuestView, host: HostView, round: Round): Next {
  if (host.maintenance) return again(guest, host, round, 'its host is in maintenance');
  return waitFor(guest, `HostShuttingDown: ${host.name} starts nobody any more; it starts again once down`);
}

function fromStarting(guest: GuestView, round: Round): Next {
  const { record } = guest;
  const host = hostOf(guest, round);
  const fate = byFate(guest, host, round);
  if (fate !== undefined || host === undefined) return fate;
  const report = reportOf(guest, host);
  if (report?.state === 'Running') return to(settled(record), 'Started', 'runs');
  if (isLeaving(guest)) return to(record, 'Stopping', 'to stop');
  if (isGoneWithItsLife(guest, host)) return again(guest, host, round, 'its host lives anew');
  if (report?.state !== 'Off') return undefined;
  if (isShuttingDown(host)) return leftBehind(guest, host, round);
  if (report.failures <= guest.maxRestart) return undefined;
  // What becomes of a host that is silent is decided before anybody is sent there, or away, by what it said before.
  if (round.view.observer.isSuspect(host.name, round.view.now)) return undefined;
  if ((record.relocations ?? 0) < guest.maxRelocate) return startElsewhere(guest, host, round);
  const reason = `StartFailed: on ${[...(record.tried ?? []), host.name].join(', ')}`;
  return to(without(record, 'target', 'move'), 'Error', reason);
}

/** On its own host again if that takes it, else where it fits. */
function again(guest: GuestView, host: HostView, round: Round, why: string): Next {
  const { haPaused } = round.view.policy;
  round.ledger.remove(guest, host.name);
  if (haPaused === 'Freeze') return waitFor(guest, 'Paused');
  return start(guest, round, why, { stays: true, atHome: haPaused === 'Ignore' });
}

function fromStarted(guest: GuestView, round: Round): Next {
  const { record } = guest;
  const host = hostOf(guest, round);
  const fate = byFate(guest, host, round);
  if (fate !== undefined || host === undefined) return fate;
  if (isLeaving(guest)) return to(settled(record), 'Stopping', 'to stop');
  if (isGoneWithItsLife(guest, host)) return again(toBegin(guest), host, round, 'its host lives anew');
  if (reportOf(guest, host)?.state === 'Off')
    return isShuttingDown(host)
      ? leftBehind(toBegin(guest), host, round)
      : again(toBegin(guest), host, round, 'it ended');
  // What it waited for has passed.
  return record.reason === undefined || !isPresent(host) || holds(record.reason, host)
    ? undefined
    : { record: without(record, 'reason'), reason: 'its host is back' };
}

/** What it was about to do is over: it begins again. */
function toBegin(guest: GuestView): GuestView {
  return { ...guest, record: moved(guest.record) };
}

/** Who plans moves takes care of these, as long as there is something to plan. */
function holds(reason: string, host: HostView): boolean {
  const mustLeave = host.maintenance || isShuttingDown(host);
  return reason.startsWith(RULE_BROKEN) || (mustLeave && reason.startsWith(CANNOT_LEAVE));
}

function fromStopping(guest: GuestView, round: Round): Next {
  const { record, wanted } = guest;
  const host = hostOf(guest, round);
  const fate = byFate(guest, host, round);
  if (fate !== undefined || host === undefined) return fate;
  const report = reportOf(guest, host);
  if (report?.stopFailed === true) return to(record, 'Error', 'StopFailed: it still runs');
  if (report?.state !== 'Off' && !isGoneWithItsLife(guest, host)) return undefined;
  return to(without(settled(record), 'failedOn'), wanted === 'Disabled' ? 'Disabled' : 'Stopped', 'stopped');
}

/** The hand-over is the source's own compare-and-swap of the placement: when it has happened the guest is the target's. */
function fromMove(guest: GuestView, round: Round): Next {
  const { record } = guest;
  const { target, move, placement } = record;
  const host = hostOf(guest, round);
  const fate = byFate(guest, host, round);
  if (fate !== undefined || host === undefined) return fate;
  if (placement?.host === target) return to(moved(record), 'Starting', 'handed over');
  const report = reportOf(guest, host);
  // What is off runs again from there, under a new epoch: by an older copy of the API its source may have let go of this one.
  if (report?.state === 'Off') return to(moved(record), 'Started', 'it ended before it had moved');
  if (report?.moveFailed !== undefined && report.moveFailed === move?.id) {
    const tried = [...new Set([...(record.tried ?? []), target ?? ''])];
    return to({ ...moved(record), tried }, 'Started', 'the move failed');
  }
  return isGoneWithItsLife(guest, host) ? to(settled(record), 'Started', 'its host lives anew') : undefined;
}

function fromDisabled(guest: GuestView): Next {
  return guest.wanted === 'Disabled' ? undefined : to(guest.record, 'Stopped', 'enabled');
}

/** Nobody guarded it meanwhile: a self-fence says nothing of it, and who wants it off or disabled does not know that it is. */
function fromIgnored(guest: GuestView, round: Round): Next {
  const { record } = guest;
  const found = foundOn(guest, round);
  if (found !== undefined) return adopt(guest, found.host, found.report.epoch);
  const host = hostOf(guest, round);
  if (host === undefined) return to(record, 'Stopped', 'taken back');
  if (isPresent(host) && isSameLife(host.reportedIn, host.record.life))
    return to(record, 'Stopped', 'taken back');
  const { proof } = host.record;
  const isCertain = proof?.kind !== 'SelfFence' && provesEnd(proof, record.placement, round.flaw);
  if (isCertain || isGuardedByFlaw(proof !== undefined, round)) return to(record, 'Recovering', 'taken back');
  return waitFor(guest, 'WaitingForProof: it was not guarded');
}

function isGuardedByFlaw(isProven: boolean, { flaw }: Round): boolean {
  return flaw === 'GuardedListIgnored' && isProven;
}
