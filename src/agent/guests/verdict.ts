/** Whether a guest is as declared, in kstatus' terms, and its phase in one word. Pure. https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus */
import type { GuestPhase, RunStrategy } from '../../api/guest.ts';
import { isHeldOff } from './locks.ts';
import { isStoppedForMaintenance } from './maintenance.ts';
import { moveStage } from './moving.ts';
import { wantedPower } from './power.ts';
import { type Blocked, type GuestScope, pausedMessage, type StepState } from './scope.ts';

export type Verdict = {
  phase: GuestPhase;
  ready: boolean;
  reconciling: boolean;
  stalled: boolean;
  reason: string;
  message: string;
};

/** A reference that is missing for so long counts as stalled too, and is still looked for. */
export const STALLED_AFTER_MS = 600_000;

export type VerdictFacts = {
  strategy: RunStrategy;
  deleting: boolean;
  /** Since when Ready has been False for the same reason, wall clock milliseconds. */
  notReadySince: { reason: string; since: number } | undefined;
  now: number;
};

/** The first thing that stands in the way decides. */
export function judgeGuest(scope: GuestScope, facts: VerdictFacts): Verdict {
  const phase = phaseOf(scope, facts);
  const obstacle = obstacleOf(scope);
  if (facts.deleting) {
    return {
      phase,
      ready: false,
      reconciling: true,
      stalled: obstacle?.type === 'stalled',
      ...textOf(obstacle, 'Terminating', 'the guest is being removed'),
    };
  }
  if (obstacle !== undefined) return obstructed(phase, obstacle, facts);
  const resting = scope.power.type === 'Resting' && scope.observation.state !== 'Paused';
  if (resting && scope.hostEnds && facts.strategy !== 'Halted') {
    const message = `the host ${scope.host} is shutting down: the guest goes on when it is back`;
    return { phase, ready: false, reconciling: true, stalled: false, reason: 'HostShuttingDown', message };
  }
  if (resting && isStoppedForMaintenance(scope) && facts.strategy !== 'Halted') {
    const message = `the host ${scope.host} is in maintenance: the guest goes on when that is over`;
    return { phase, ready: false, reconciling: true, stalled: false, reason: 'HostInMaintenance', message };
  }
  if (resting) {
    const reason = scope.observation.state === 'Off' ? 'Stopped' : 'Running';
    return { phase, ready: true, reconciling: false, stalled: false, reason, message: 'as declared' };
  }
  if (scope.observation.state === 'Paused' && scope.power.type === 'Resting') {
    const message = pausedMessage(scope.observation);
    return { phase, ready: false, reconciling: false, stalled: true, reason: 'Paused', message };
  }
  return { phase, ready: false, reconciling: true, stalled: false, ...progressOf(scope) };
}

function obstructed(phase: GuestPhase, obstacle: Blocked, facts: VerdictFacts): Verdict {
  const { reason, message } = obstacle;
  const since = facts.notReadySince;
  const isOld = since !== undefined && since.reason === reason && facts.now - since.since >= STALLED_AFTER_MS;
  // A large disk takes its time, and its Migration tells how far it is.
  const isLate = isOld && reason !== 'Migrating';
  const stalled = obstacle.type === 'stalled' || (obstacle.type === 'waiting' && isLate);
  // What only the user can mend is not reconciling: a reader of kstatus would wait for it for ever.
  return { phase, ready: false, reconciling: obstacle.type !== 'stalled', stalled, reason, message };
}

function textOf(
  obstacle: Blocked | undefined,
  reason: string,
  message: string,
): { reason: string; message: string } {
  return obstacle === undefined
    ? { reason, message }
    : { reason: obstacle.reason, message: obstacle.message };
}

/** Admission, then what the guest needs, then its power. */
export function obstacleOf({ admission, volumes, networks, power }: GuestScope): Blocked | undefined {
  for (const step of [admission, volumes, networks] satisfies StepState[]) {
    if (step.type === 'Blocked') return step.outcome;
  }
  return power.type === 'Blocked' ? power.outcome : undefined;
}

function progressOf({ power, record }: GuestScope): { reason: string; message: string } {
  switch (power.type) {
    case 'BackOff':
      return {
        reason: 'CrashLoopBackOff',
        message: record?.run.failure?.message ?? 'the guest is started again later',
      };
    case 'Stopping':
      return power.reason === 'ShutdownTimedOut'
        ? {
            reason: power.reason,
            message:
              'the guest does not follow the shutdown and spec.shutdown.force is Never: shut it down inside, or make an Operation Stop',
          }
        : {
            reason: power.restart ? 'Restarting' : power.reason,
            message: 'the guest has been asked to shut down',
          };
    default:
      return { reason: 'Progressing', message: 'the guest is being brought to its declared state' };
  }
}

function phaseOf(scope: GuestScope, { deleting, strategy }: VerdictFacts): GuestPhase {
  const { observation, power } = scope;
  if (deleting) return 'Terminating';
  if (moveStage(scope.record) !== 'Home' && observation.state !== 'Unmanageable') return 'Migrating';
  switch (observation.state) {
    case 'Unmanageable':
      return 'Unknown';
    case 'Prelaunch':
      return 'Starting';
    case 'Incoming':
    case 'HandedOver':
      return 'Migrating';
    case 'Paused':
      return 'Paused';
    case 'Running':
      return power.type === 'Stopping' ? 'Stopping' : 'Running';
    case 'Off':
      return phaseOfOff(scope, strategy);
  }
}

function phaseOfOff(scope: GuestScope, strategy: RunStrategy): GuestPhase {
  const { volumes, networks, power, record } = scope;
  const run = record?.run ?? {};
  if (power.type === 'BackOff' || (power.type === 'Blocked' && run.failure !== undefined))
    return 'CrashLoopBackOff';
  const isHeld = scope.hostEnds || isStoppedForMaintenance(scope) || isHeldOff(record);
  const wanted = isHeld ? 'Off' : wantedPower(strategy, run);
  if (wanted === 'Off' || (wanted === 'AsIs' && run.restart !== true)) return 'Stopped';
  if (volumes.type === 'Blocked')
    return volumes.outcome.reason === 'VolumesCreating' ? 'Provisioning' : 'Pending';
  if (networks.type === 'Blocked' || scope.admission.type === 'Blocked') return 'Pending';
  return 'Starting';
}
