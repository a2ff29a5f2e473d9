/** What the fate of its host makes of a guest that may run there, and what becomes of it until it has another, or this one again. Pure. */
import { heldUpBy } from './hosts.ts';
import { type GuestRecord, type GuestView, type HostView, isSameLife, NO_LIFE, type View } from './model.ts';
import { adopt, start } from './place.ts';
import { covers } from './proofs.ts';
import {
  foundOn,
  hostOf,
  isGoneWithItsLife,
  isLeaving,
  isPresent,
  isSettling,
  type Next,
  type Round,
  reportOf,
  startOn,
  to,
  waitFor,
} from './round.ts';
import { shutdownCourse } from './shutdown.ts';
import { bereft, settled, without } from './states.ts';

/** What holds for every guest that is placed and may run: its host's fate goes first. */
export function byFate(guest: GuestView, host: HostView | undefined, round: Round): Next {
  const { record } = guest;
  switch (host?.record.state) {
    case undefined:
      return undefined;
    case 'Suspect': {
      const why = host === undefined ? undefined : heldUpBy(host, round.view);
      return why === undefined ? undefined : waitFor(guest, why);
    }
    case 'Fencing':
    case 'Fenced':
      return to(bereft(record), 'Fencing', `${host?.name} is ${host?.record.state}`, {
        ...unstarted(guest, host),
        reason: 'WaitingForProof',
      });
    case 'Offline':
      return afterOrderlyStop(guest, host as HostView, round);
    default:
      return host === undefined ? undefined : outlived(guest, host, round);
  }
}

/** What its host did not guard outlives a self-fence: found again under the new term, it is the same guest. */
function outlived(guest: GuestView, { name, record: { life } }: HostView, round: Round): Next {
  const { record } = guest;
  if (life === undefined || record.placement === undefined || isSameLife(record.placement, life))
    return undefined;
  if (foundOn(guest, round)?.host.name !== name) return undefined;
  return {
    record: { ...record, placement: { ...record.placement, ...life } },
    reason: 'found in the new life',
  };
}

/** Its host had not said that it runs: if its Lease does not list it either, it has not come so far, also when its volumes were being opened. */
function unstarted(guest: GuestView, host: HostView | undefined): Partial<GuestRecord> {
  const isStarting = guest.record.state === 'Starting' && reportOf(guest, host)?.state !== 'Running';
  return isStarting ? { unstarted: true } : {};
}

function afterOrderlyStop(guest: GuestView, host: HostView, round: Round): Next {
  const { record } = guest;
  const { view } = round;
  if (record.state === 'Stopping')
    return to(settled(record), guest.wanted === 'Disabled' ? 'Disabled' : 'Stopped', 'stopped');
  if (!covers(host.record.proof, guest)) return waitFor(guest, 'WaitingForProof');
  if (shutdownCourse(host, view.policy.shutdownPolicy) === 'Freeze')
    return to(bereft(record), 'Frozen', 'its host restarts', { origin: host.name });
  const grace = host.shutdown?.kind === 'Reboot' ? view.policy.rebootGraceMs : 0;
  if (waited('grace', guest, view) < grace) return undefined;
  return to(bereft(record), 'Recovering', 'its host was stopped');
}

/** How long it has waited for the host of this placement: it may have waited for one before, and may again. */
function waited(what: 'grace' | 'frozen', { id, record: { placement } }: GuestView, { since }: View): number {
  return since(`${what}/${id}/${placement?.bootID}/${placement?.term}`, true);
}

export function fromFencing(guest: GuestView, round: Round): Next {
  const { record } = guest;
  const host = hostOf(guest, round);
  if (host === undefined || round.flaw === 'NoProof') return to(record, 'Recovering', 'its host is gone');
  if (covers(host.record.proof, guest)) return to(record, 'Recovering', `proof ${host.record.proof?.kind}`);
  if (!isPresent(host)) {
    if (host.record.proof?.kind === 'StorageRevoked')
      return waitFor(guest, 'WaitingForProof: not all of its storage could be revoked');
    return host.record.state === 'Fenced' ? waitFor(guest, uncovered(record, host)) : undefined;
  }
  // Which boot has it is not known, so that no other one says that it is over: its host is told of it first.
  if (isSameLife(record.placement, NO_LIFE)) return undefined;
  if (isSameLife(record.placement, host.record.life)) {
    // Where starts failed before it was lost still counts, unless it runs.
    return reportOf(guest, host)?.state === 'Running'
      ? to(settled(record), 'Started', 'its host is back')
      : to(without(record, 'target', 'move', 'unstarted'), 'Starting', 'its host is back');
  }
  if (record.placement?.bootID !== host.record.life?.bootID || isGoneWithItsLife(guest, host))
    return to(record, 'Recovering', 'its host lives anew');
  const found = foundOn(guest, round);
  return found === undefined ? undefined : adopt(guest, found.host, found.report.epoch);
}

/** Why the proof of its host says nothing of it. */
function uncovered({ placement }: GuestRecord, { name }: HostView): string {
  return isSameLife(placement, NO_LIFE)
    ? `WaitingForProof: ${name} was lost before it was heard in which boot it has the guest: it goes on once ${name} is back`
    : 'WaitingForProof: not guarded';
}

export function fromRecovering(guest: GuestView, round: Round): Next {
  const { record, wanted, lock } = guest;
  if (wanted === 'Stopped') return to(settled(record), 'Stopped', 'to stay off');
  if (wanted === 'Disabled') return to(settled(record), 'Disabled', 'disabled');
  if (lock === 'Create') return to(record, 'Error', 'CreateInterrupted: it was never made whole');
  return start(guest, round, 'recovered', { stays: false, avoid: new Set(record.tried ?? []) });
}

export function fromFrozen(guest: GuestView, round: Round): Next {
  const { record, wanted } = guest;
  const host = hostOf(guest, round);
  if (host === undefined) return to(record, 'Recovering', 'its host is gone');
  if (isLeaving(guest)) return to(record, wanted === 'Disabled' ? 'Disabled' : 'Stopped', 'stopped');
  if (host.record.state === 'Fencing' || host.record.state === 'Fenced')
    return to(record, 'Fencing', 'its host is lost');
  if (isPresent(host) && !isSettling(host, round)) {
    if (!isGoneWithItsLife(guest, host)) return undefined;
    return host.record.state === 'Online' && round.chooser.refusal(guest, host) === undefined
      ? startOn(atHome(guest), host, round, 'its host is back')
      : to(record, 'Recovering', 'its host takes nobody');
  }
  return waited('frozen', guest, round.view) >= round.view.policy.freezeDeadlineMs
    ? to(record, 'Recovering', 'FreezeDeadline: its host did not come back')
    : undefined;
}

/** Back home: nothing is to be undone later. */
function atHome(guest: GuestView): GuestView {
  return { ...guest, record: without(guest.record, 'origin') };
}
