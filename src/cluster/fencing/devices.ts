/** Tests FenceDevices at regular times and when asked, so that one that does not work is known before it is needed. It never switches anything. */
import type { FenceAction } from '../../api/kinds/fenceAction.ts';
import { FenceDevice, type FenceDeviceStatus, TEST_REQUEST } from '../../api/kinds/fenceDevice.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, failed, type Outcome, outcomeOf, waiting } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import { conditionsFor } from '../readiness.ts';
import type { FenceProbe } from './probe.ts';
import { HOST_UNKNOWN, testDevice } from './test.ts';
import { withTrust } from './trust.ts';

export type FencingSources = {
  devices: Informer<FenceDevice>;
  hosts: Informer<Host>;
  /** Has the index `device`. */
  actions: Informer<FenceAction>;
  fence: FenceProbe;
};

/** The index of FenceDevices by the hosts they name. */
export function hostsOfDevice({ spec }: FenceDevice): string[] {
  return spec.hosts.map(({ name }) => name);
}

const DEFAULT_INTERVAL_SECONDS = 600;
const LONGEST_AFTER_FAILURE_MS = 60_000;

/** The index of FenceActions by the devices they name. */
export function devicesOfAction({ spec }: FenceAction): readonly string[] {
  return spec.devices ?? [];
}

/** `devices` has the index `host`. */
export function fenceDeviceController(sources: FencingSources): Controller<FenceDevice> {
  const { devices, hosts, actions } = sources;
  return {
    name: 'fence-devices',
    kind: FenceDevice,
    informer: devices,
    writes: ['status'],
    // Each waits for its device, not for this machine.
    concurrency: 16,
    triggers: [
      trigger(hosts, ({ before, after }) => {
        if (before !== undefined && after !== undefined) return [];
        const name = (after ?? before)?.metadata.name ?? '';
        return devices.byIndex('host', name).map(({ metadata }) => metadata.name);
      }),
      trigger(actions, ({ before, after }) =>
        before?.status?.contradictedAt === after?.status?.contradictedAt
          ? []
          : [before, after].flatMap((action) => (action === undefined ? [] : devicesOfAction(action))),
      ),
    ],
    reconcile: (pass) => look(pass, sources),
  };
}

async function look(pass: Pass<FenceDevice>, sources: FencingSources): Promise<PassResult<FenceDevice>> {
  const { object, now, client, signal } = pass;
  if (object.metadata.deletionTimestamp !== undefined) return { outcome: done };
  const isHost = (name: string) => sources.hosts.get(name) !== undefined;
  const left = msUntilDue(object, now, isHost);
  const trusted = (conditions: readonly Condition[]) =>
    withTrust(conditions, sources.actions.byIndex('device', object.metadata.name), {
      now,
      generation: object.metadata.generation,
    });
  if (left > 0) {
    const status = { ...object.status, conditions: trusted(object.status?.conditions ?? []) };
    return { outcome: waiting('Tested', '', left), status };
  }
  const found = await testDevice(object.spec, { fence: sources.fence, client, signal, isHost }).then(
    (result) => ({ result, outcome: verdict(result) }),
    (error: unknown) => ({ result: {}, outcome: outcomeOf(error, 'TestFailed') }),
  );
  signal.throwIfAborted();
  const { outcome } = found;
  const { conditions } = object.status ?? {};
  const wasReady = conditions?.find(({ type }) => type === 'Ready')?.status;
  if (outcome.type !== 'done' && wasReady !== 'False') pass.event('Warning', outcome.reason, outcome.message);
  const status = statusOf(object, found.result, outcome, now);
  return {
    outcome: waiting('Tested', '', intervalMs(object.spec, outcome.type === 'done')),
    status: { ...status, conditions: trusted(status.conditions ?? []) },
  };
}

/** The device is well when it answered for every host. */
function verdict({ hosts = [] }: Pick<FenceDeviceStatus, 'hosts'>): Outcome {
  const [first, ...others] = hosts.filter(({ reason }) => reason !== undefined);
  if (first === undefined) return done;
  const more = others.length === 0 ? '' : ` (and ${others.length} more, see status.hosts)`;
  return failed(first.reason ?? '', `${first.name}: ${first.message ?? ''}${more}`);
}

function statusOf(
  object: Stored<FenceDevice>,
  result: Pick<FenceDeviceStatus, 'reach' | 'hosts'>,
  outcome: Outcome,
  now: number,
): FenceDeviceStatus {
  const { generation, annotations } = object.metadata;
  const request = annotations?.[TEST_REQUEST];
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsFor(object, outcome, now),
    ...result,
    lastTest: timeOf(now),
    ...(request === undefined ? {} : { testedFor: request.slice(0, 256) }),
  };
}

function intervalMs(
  { testIntervalSeconds = DEFAULT_INTERVAL_SECONDS }: FenceDevice['spec'],
  good: boolean,
): number {
  const whole = testIntervalSeconds * 1_000;
  return good ? whole : Math.min(whole, LONGEST_AFTER_FAILURE_MS);
}

/** Zero or less: a test is due, because of time, a new spec, a request, or a host that came or went. */
function msUntilDue(
  { metadata, spec, status }: Stored<FenceDevice>,
  now: number,
  isHost: (name: string) => boolean,
): number {
  const last = Date.parse(status?.lastTest ?? '');
  // A time in the future was written by another clock.
  if (Number.isNaN(last) || last > now || status?.observedGeneration !== metadata.generation) return 0;
  const request = metadata.annotations?.[TEST_REQUEST];
  if (request !== undefined && request.slice(0, 256) !== status?.testedFor) return 0;
  const changed = status?.hosts?.some(({ name, reason }) => isHost(name) === (reason === HOST_UNKNOWN));
  if (changed === true) return 0;
  const good = status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True');
  return last + intervalMs(spec, good === true) - now;
}
