/** The conditions of a guest that its agent owns, each said on every branch. Messages hold no counters or times. Pure. */
import type { Condition } from '../../api/meta.ts';
import type { PendingChange } from '../../drivers/hypervisor/contract.ts';
import { type GuestScope, pausedMessage, type StepState } from './scope.ts';
import type { Verdict } from './verdict.ts';

/** A condition before it is stamped. */
export type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Types the agent writes; all others on the object are kept as they are. */
export const OWNED_CONDITIONS: readonly string[] = [
  'Ready',
  'Reconciling',
  'Stalled',
  'VolumesReady',
  'NetworksReady',
  'Running',
  'Paused',
  'UpToDate',
  'AgentConnected',
  'DependenciesReady',
  'Migratable',
];

function is(type: string, yes: boolean, reason: string, message: string): Finding {
  return { type, status: yes ? 'True' : 'False', reason, message };
}

/** Everything there is to say in this pass. */
export function guestFindings(
  scope: GuestScope,
  verdict: Verdict,
  pending: readonly PendingChange[],
): Finding[] {
  return [
    is('Ready', verdict.ready, verdict.reason, verdict.message),
    // The first of the two that is True decides for kstatus.
    ...(verdict.stalled ? [is('Stalled', true, verdict.reason, verdict.message)] : []),
    ...(verdict.reconciling ? [is('Reconciling', true, verdict.reason, verdict.message)] : []),
    step('VolumesReady', scope.volumes, wasStarted(scope) || scope.volumePlans.length === 0),
    step('NetworksReady', scope.networks, wasStarted(scope) || scope.nicWishes.length === 0),
    running(scope),
    is('Paused', scope.observation.state === 'Paused', ...pausedText(scope)),
    upToDate(scope, pending),
    ...agentConnected(scope),
    ...dependenciesReady(scope),
  ];
}

/** Hardware is pinned when volumes and interfaces exist; they stay until the guest is removed. */
export function wasStarted({ record }: GuestScope): boolean {
  return record?.hardware !== undefined;
}

function step(type: string, state: StepState, exists: boolean): Finding {
  switch (state.type) {
    case 'Ready':
      return is(type, true, 'Ready', '');
    case 'Skipped':
      return exists
        ? is(type, true, 'Ready', '')
        : { type, status: 'Unknown', reason: 'NotNeeded', message: 'made when the guest is to run' };
    case 'Blocked':
      return is(type, false, state.outcome.reason, state.outcome.message);
  }
}

function running({ observation, power, record }: GuestScope): Finding {
  switch (observation.state) {
    case 'Running':
    case 'Paused':
      return power.type === 'Stopping'
        ? is('Running', true, power.reason, 'the guest has been asked to shut down')
        : is('Running', true, observation.state, '');
    case 'Prelaunch':
      return is('Running', false, 'Starting', 'the guest is prepared and has not run yet');
    case 'Incoming':
    case 'HandedOver':
      return is('Running', false, 'Migrating', 'the guest is moving between hosts');
    case 'Unmanageable':
      return { type: 'Running', status: 'Unknown', reason: observation.reason, message: observation.message };
    case 'Off': {
      const failure = record?.run.failure;
      if (failure !== undefined) return is('Running', false, failure.reason, failure.message);
      return is('Running', false, record?.run.ended?.how ?? 'Stopped', 'the guest is off');
    }
  }
}

function pausedText({ observation }: GuestScope): [string, string] {
  return observation.state === 'Paused' ? ['Paused', pausedMessage(observation)] : ['NotPaused', ''];
}

function upToDate({ observation, changes }: GuestScope, pending: readonly PendingChange[]): Finding {
  if (observation.state === 'Unmanageable') {
    return { type: 'UpToDate', status: 'Unknown', reason: observation.reason, message: '' };
  }
  if (changes.type === 'Blocked')
    return is('UpToDate', false, changes.outcome.reason, changes.outcome.message);
  const first = pending[0];
  if (first === undefined) return is('UpToDate', true, 'UpToDate', '');
  const reason = pending.some((change) => change.class === 'Recreate')
    ? 'RecreateRequired'
    : 'RestartRequired';
  return is('UpToDate', false, reason, 'status.pendingChanges lists what differs from the spec');
}

/** Of guests that depend on others. One that is off and not to be started waits for nobody. */
function dependenciesReady({ object, observation, dependencies }: GuestScope): Finding[] {
  if ((object.spec.dependsOn ?? []).length === 0) return [];
  const type = 'DependenciesReady';
  switch (dependencies.type) {
    case 'Ready':
      return [is(type, true, 'Ready', '')];
    case 'GivenUp':
      return [is(type, true, 'StartedWithout', `it was not waited for any longer: ${dependencies.message}`)];
    case 'Blocked':
      return [is(type, false, dependencies.outcome.reason, dependencies.outcome.message)];
    case 'Skipped': {
      if (observation.state === 'Off')
        return [{ type, status: 'Unknown', reason: 'NotNeeded', message: 'asked when the guest is started' }];
      const told = object.status?.conditions?.find((condition) => condition.type === type);
      return [
        told?.status === 'True' ? is(type, true, told.reason, told.message) : is(type, true, 'Ready', ''),
      ];
    }
    default:
      return dependencies satisfies never;
  }
}

function agentConnected({ observation }: GuestScope): Finding[] {
  if (observation.state !== 'Running' || observation.agentConnected === undefined) return [];
  return [
    observation.agentConnected
      ? is('AgentConnected', true, 'Connected', '')
      : is('AgentConnected', false, 'NotConnected', 'the guest agent in the machine does not answer'),
  ];
}
