/** The status of a guest: one pure function over what a pass found. What others wrote into it is kept. */
import { type GuestStatus, strategyOf } from '../../api/guest.ts';
import type { Condition } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { formatBytes } from '../../base/quantity.ts';
import type { PendingChange } from '../../drivers/hypervisor/contract.ts';
import type { RecordedNic, RecordedVolume, RunState } from '../record.ts';
import { restartableChanges, volumeChanges } from './changes.ts';
import { type Finding, guestFindings, OWNED_CONDITIONS, wasStarted } from './conditions.ts';
import type { GuestObject } from './kind.ts';
import { lockShown } from './locks.ts';
import { migratableFinding } from './migratable.ts';
import type { GuestScope, Scope } from './scope.ts';
import { judgeGuest, type Verdict } from './verdict.ts';

/** Paths of the status an agent writes; `status.placement` and the condition Scheduled are the manager's. */
export const GUEST_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.phase',
  'status.conditions',
  'status.uuid',
  'status.runRequest',
  'status.restartedFor',
  'status.effective',
  'status.pendingChanges',
  'status.volumes',
  'status.networks',
  'status.console',
  'status.startFailure',
  'status.phaseTransitions',
  'status.lock',
];

/** Most entries of status.phaseTransitions. */
const TRANSITIONS = 16;

export function guestStatus<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): GuestStatus {
  const { object, kind, record, now } = scope;
  const before: GuestStatus = object.status ?? {};
  const pending = pendingChanges(scope);
  const verdict = judgeGuest(scope, {
    strategy: strategyOf(object.spec),
    deleting: object.metadata.deletionTimestamp !== undefined,
    notReadySince: notReadySince(before),
    now,
  });
  const generation = object.metadata.generation;
  const effective = kind.effective(object.spec, kind.hardware(record?.hardware), scope.facts);
  return {
    ...foreignFields(before),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase: verdict.phase,
    conditions: conditions(
      before,
      [...guestFindings(scope, verdict, pending), migratableFinding(scope)],
      scope,
      generation,
    ),
    uuid: scope.handle.uuid,
    effective,
    phaseTransitions: transitions(before, verdict, now),
    ...runFields(scope),
    ...lockField(scope),
    ...(pending.length === 0 ? {} : { pendingChanges: pending.slice(0, 64) }),
    ...deviceFields(scope),
  };
}

/** Fields of others, those of later versions too, stay as they are. */
function foreignFields(before: GuestStatus): GuestStatus {
  return Object.fromEntries(
    Object.entries(before).filter(([name]) => !GUEST_STATUS_PATHS.includes(`status.${name}`)),
  );
}

function pendingChanges<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): PendingChange[] {
  const cut = (text: string) => text.slice(0, 253);
  return [...scope.memory.pendingChanges, ...volumeChanges(scope)].map(({ path, from, to, class: sort }) => ({
    path: cut(`spec.${path}`),
    from: cut(from),
    to: cut(to),
    class: sort,
  }));
}

/** What an automatic restart would be for; undefined when restarts are left to people. */
export function automaticRestart<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): string | undefined {
  if (scope.object.spec.updatePolicy?.restart !== 'Automatic') return undefined;
  return restartableChanges(scope.memory.pendingChanges);
}

function notReadySince({ conditions = [] }: GuestStatus): { reason: string; since: number } | undefined {
  const ready = conditions.find(({ type, status }) => type === 'Ready' && status === 'False');
  return ready === undefined
    ? undefined
    : { reason: ready.reason, since: Date.parse(ready.lastTransitionTime) };
}

function conditions(
  { conditions: before = [] }: GuestStatus,
  findings: readonly Finding[],
  { now }: { now: number },
  generation: number | undefined,
): Condition[] {
  const foreign = before.filter(({ type }) => !OWNED_CONDITIONS.includes(type));
  const owned = findings.map((finding) => {
    const old = before.find(({ type, status }) => type === finding.type && status === finding.status);
    return {
      ...finding,
      message: finding.message.slice(0, 4_096),
      lastTransitionTime: old?.lastTransitionTime ?? timeOf(now),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
  return [...foreign, ...owned];
}

function transitions({ phaseTransitions = [] }: GuestStatus, { phase }: Verdict, now: number) {
  if (phaseTransitions.at(-1)?.phase === phase) return phaseTransitions;
  return [...phaseTransitions, { phase, at: timeOf(now) }].slice(-TRANSITIONS);
}

function lockField({ record }: GuestScope) {
  const lock = lockShown(record);
  return lock === undefined ? {} : { lock };
}

function runFields({ record }: { record: { run: RunState; epoch: number } | undefined }) {
  const { request, restartedFor, failure } = record?.run ?? {};
  return {
    ...(request === undefined
      ? {}
      : { runRequest: { action: request.action, by: request.by.slice(0, 128), at: request.at } }),
    ...(restartedFor === undefined ? {} : { restartedFor }),
    ...(failure === undefined
      ? {}
      : {
          startFailure: {
            ...{ count: failure.count, retryAfter: timeOf(failure.retryAt) },
            ...(record === undefined ? {} : { epoch: record.epoch }),
          },
        }),
  };
}

/** Volumes and interfaces that exist. */
function deviceFields<T extends GuestObject, Request, Hardware>(scope: Scope<T, Request, Hardware>) {
  const { record, memory, kind, handle, observation } = scope;
  const isOn = observation.state === 'Running' || observation.state === 'Paused';
  const sockets = isOn ? kind.console(handle) : undefined;
  const started = wasStarted(scope);
  const volumes = record?.volumes.filter(({ name }) => started || memory.volumes.has(name)) ?? [];
  const nics = record?.nics.filter(({ name }) => started || memory.nics.has(name)) ?? [];
  return {
    ...(volumes.length === 0 ? {} : { volumes: volumes.map((volume) => volumeField(scope, volume)) }),
    ...(nics.length === 0 ? {} : { networks: nics.map((nic) => nicField(scope, nic, isOn)) }),
    ...(sockets === undefined ? {} : { console: sockets }),
  };
}

/** The size of a volume that this agent has not looked at yet is the one reported before. */
function volumeField({ memory, object }: GuestScope, { name, pool, id }: RecordedVolume) {
  const bytes = memory.volumes.get(name)?.sizeBytes ?? 0;
  const before = object.status?.volumes?.find((volume) => volume.name === name)?.size;
  const size = bytes > 0 ? formatBytes(bytes) : before;
  return { name, pool, id, ...(size === undefined ? {} : { size }) };
}

function nicField({ memory }: GuestScope, { name, mac }: RecordedNic, isOn: boolean) {
  const found = isOn ? memory.addresses.find((nic) => nic.mac === mac)?.addresses.slice(0, 16) : undefined;
  return { name, mac, ...(found === undefined || found.length === 0 ? {} : { addresses: found }) };
}
