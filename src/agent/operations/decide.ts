/** What becomes of an Operation on this host: pure, over the operation, its guest, the guest's record and what stands. */
import type { RunStrategy } from '../../api/guest.ts';
import type { Operation, OperationStatus } from '../../api/kinds/operation.ts';
import type { Stored } from '../../api/meta.ts';
import type { GuestObservation } from '../../drivers/hypervisor/contract.ts';
import { inTime, notYet, objected } from '../jobs/begin.ts';
import { type JobStep, jobEnd } from '../jobs/status.ts';
import type { RunState } from '../record.ts';

/** A guest that says nothing of its end is looked at again after this. */
const FOLLOW_MS = 60_000;

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
  | JobStep<EndPhase>
  /** Stamp it, then write it into the guest's record. */
  | { type: 'accept'; strategy: RunStrategy };

export function decideOperation(facts: OperationFacts): OperationDecision {
  const { operation, run, now } = facts;
  if (run?.operation?.uid === operation.metadata.uid) return decideAccepted(facts, run);
  return inTime<OperationDecision>(operation, { now, noun: 'operation' }, () => {
    if (operation.status?.phase !== 'Running') return decideNew(facts);
    return run === undefined
      ? jobEnd('Failed', 'GuestGone', 'the guest was removed from this host meanwhile')
      : jobEnd('Superseded', 'Superseded', 'a later operation overtook it');
  });
}

function decideNew(facts: OperationFacts): OperationDecision {
  const { operation, guest, run } = facts;
  const created = Date.parse(operation.metadata.creationTimestamp ?? '');
  const overtaken = run?.operation !== undefined && Date.parse(run.operation.createdAt) > created;
  if (overtaken) return jobEnd('Superseded', 'Superseded', 'a later operation overtook it');
  if (guest?.deleting === true) return jobEnd('Failed', 'GuestDeleted', 'the guest is being deleted');
  if (guest === undefined || run === undefined || facts.observation === undefined)
    return objected(notYet('GuestNotHere', 'the guest is not looked after by this host yet'), 10_000);
  return byStrategy(facts, guest.strategy, facts.observation.state === 'Off');
}

/** The columns Start and Stop/Shutdown of the table of run strategies. */
function byStrategy({ operation }: OperationFacts, strategy: RunStrategy, isOff: boolean): OperationDecision {
  const accept: OperationDecision = { type: 'accept', strategy };
  switch (operation.spec.action) {
    case 'Start':
      if (strategy === 'Halted') return halted();
      return strategy === 'Always'
        ? jobEnd('Succeeded', 'RunStrategyAlways', 'the guest runs by its run strategy')
        : accept;
    case 'Restart':
      return strategy === 'Halted' ? halted() : accept;
    case 'Stop':
    case 'Shutdown':
      if (strategy === 'Always') {
        const message = 'runStrategy Always starts the guest again: change it, or use Restart';
        return jobEnd('Failed', 'RunStrategyAlways', message);
      }
      return strategy === 'Halted' && isOff ? jobEnd('Succeeded', 'Stopped', 'the guest is off') : accept;
  }
}

function halted(): OperationDecision {
  return jobEnd(
    'Failed',
    'RunStrategyHalted',
    'runStrategy Halted, or ha.mode Disabled, keeps the guest off: change it first',
  );
}

function decideAccepted(
  { operation, guest, observation, now }: OperationFacts,
  run: RunState,
): OperationDecision {
  if (guest === undefined) return jobEnd('Failed', 'GuestGone', 'the guest has left this host');
  const { action } = operation.spec;
  if (observation?.state === 'Unmanageable') {
    const willEnd = observation.killable === true && (action === 'Stop' || action === 'Shutdown');
    return willEnd ? follow(action) : jobEnd('Failed', observation.reason, observation.message);
  }
  const isOff = observation?.state === 'Off' && run.live === undefined;
  if (action === 'Stop' || action === 'Shutdown') {
    return isOff ? jobEnd('Succeeded', 'Stopped', 'the guest is off') : follow(action);
  }
  const isUp = observation?.state === 'Running' && run.live !== undefined;
  if (isUp && run.restart !== true && run.stop === undefined)
    return jobEnd('Succeeded', 'Running', 'the guest runs');
  if (run.failure !== undefined && run.failure.at >= (run.operation?.acceptedAt ?? now)) {
    return jobEnd('Failed', run.failure.reason, run.failure.message);
  }
  return follow(action);
}

/** One text for the whole time: a changed message would be a write. */
export function follow(action: Operation['spec']['action']): JobStep<never> {
  const isEnd = action === 'Stop' || action === 'Shutdown';
  const message = isEnd ? 'the guest is being stopped' : 'the guest is being started';
  return { type: 'follow', message, afterMs: FOLLOW_MS };
}
