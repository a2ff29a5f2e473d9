/** What becomes of an Operation on this host: pure, over the operation, its guest, the guest's record and what stands. */
import type { RunStrategy } from '../../api/guest.ts';
import { isRestoredCopy, startDeadlineOf } from '../../api/job.ts';
import type { Operation, OperationStatus } from '../../api/kinds/operation.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import type { RunState } from '../record.ts';

export type OperationFacts = {
  operation: Stored<Operation>;
  /** Undefined: the guest is not placed here (any more). */
  guest: { strategy: RunStrategy; deleting: boolean } | undefined;
  /** Undefined: the guest has no record here yet. */
  run: RunState | undefined;
  observation: GuestObservation | undefined;
  /** Wall clock, milliseconds. */
  now: number;
};

type EndPhase = Exclude<NonNullable<OperationStatus['phase']>, 'Pending' | 'Running'>;

export type OperationDecision =
  | { type: 'end'; phase: EndPhase; reason: string; message: string }
  /** Not begun: look again when the guest has moved, at the latest when the deadline is over. */
  | { type: 'wait'; reason: string; message: string; afterMs: number }
  /** Stamp it, then write it into the guest's record. */
  | { type: 'accept'; strategy: RunStrategy }
  /** Accepted and under way. */
  | { type: 'follow'; message: string };

export function decideOperation(facts: OperationFacts): OperationDecision {
  const { operation, run } = facts;
  if (isRestoredCopy(operation)) {
    return end('Skipped', 'RestoredCopy', 'this is a restored copy of an operation: it is never executed');
  }
  if (run?.operation?.uid === operation.metadata.uid) return decideAccepted(facts, run);
  if (operation.status?.phase === 'Running') {
    return run === undefined
      ? end('Failed', 'GuestGone', 'the guest was removed from this host meanwhile')
      : end('Superseded', 'Superseded', 'a later operation overtook it');
  }
  return decideNew(facts);
}

function end(phase: EndPhase, reason: string, message: string): OperationDecision {
  return { type: 'end', phase, reason, message };
}

function decideNew(facts: OperationFacts): OperationDecision {
  const { operation, guest, run, now } = facts;
  const created = Date.parse(operation.metadata.creationTimestamp ?? '');
  const leftMs = startDeadlineOf(operation) - now;
  if (leftMs <= 0) return end('Failed', 'Expired', 'it could not begin within startDeadlineSeconds');
  const overtaken = run?.operation !== undefined && Date.parse(run.operation.createdAt) > created;
  if (overtaken) return end('Superseded', 'Superseded', 'a later operation overtook it');
  if (guest?.deleting === true) return end('Failed', 'GuestDeleted', 'the guest is being deleted');
  if (guest === undefined || run === undefined || facts.observation === undefined) {
    const message = 'the guest is not looked after by this host yet';
    return { type: 'wait', reason: 'GuestNotHere', message, afterMs: Math.min(leftMs, 10_000) };
  }
  return byStrategy(facts, guest.strategy, facts.observation.state === 'Off');
}

/** The columns Start and Stop/Shutdown of the table of run strategies. */
function byStrategy({ operation }: OperationFacts, strategy: RunStrategy, isOff: boolean): OperationDecision {
  const accept: OperationDecision = { type: 'accept', strategy };
  switch (operation.spec.action) {
    case 'Start':
      if (strategy === 'Halted') return halted();
      return strategy === 'Always'
        ? end('Succeeded', 'RunStrategyAlways', 'the guest runs by its run strategy')
        : accept;
    case 'Restart':
      return strategy === 'Halted' ? halted() : accept;
    case 'Stop':
    case 'Shutdown':
      if (strategy === 'Always') {
        const message = 'runStrategy Always starts the guest again: change it, or use Restart';
        return end('Failed', 'RunStrategyAlways', message);
      }
      return strategy === 'Halted' && isOff ? end('Succeeded', 'Stopped', 'the guest is off') : accept;
  }
}

function halted(): OperationDecision {
  return end('Failed', 'RunStrategyHalted', 'runStrategy Halted keeps the guest off: change it first');
}

function decideAccepted(
  { operation, guest, observation, now }: OperationFacts,
  run: RunState,
): OperationDecision {
  if (guest === undefined) return end('Failed', 'GuestGone', 'the guest has left this host');
  const { action } = operation.spec;
  if (observation?.state === 'Unmanageable') {
    const willEnd = observation.killable === true && (action === 'Stop' || action === 'Shutdown');
    return willEnd
      ? { type: 'follow', message: followMessage(action) }
      : end('Failed', observation.reason, observation.message);
  }
  const isOff = observation?.state === 'Off' && run.live === undefined;
  if (action === 'Stop' || action === 'Shutdown') {
    return isOff
      ? end('Succeeded', 'Stopped', 'the guest is off')
      : { type: 'follow', message: followMessage(action) };
  }
  const isUp = observation?.state === 'Running' && run.live !== undefined;
  if (isUp && run.restart !== true && run.stop === undefined)
    return end('Succeeded', 'Running', 'the guest runs');
  if (run.failure !== undefined && run.failure.at >= (run.operation?.acceptedAt ?? now)) {
    return end('Failed', run.failure.reason, run.failure.message);
  }
  return { type: 'follow', message: followMessage(action) };
}

/** One text for the whole time: a changed message would be a write. */
export function followMessage(action: Operation['spec']['action']): string {
  return action === 'Stop' || action === 'Shutdown'
    ? 'the guest is being stopped'
    : 'the guest is being started';
}
