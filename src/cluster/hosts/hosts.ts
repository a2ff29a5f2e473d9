/**
 * Watches over hosts from outside: a Host whose Lease is no longer renewed is Offline and not Ready, whatever it last said of itself.
 * Ages are measured on this process's own clock from the moment a renewal was seen; two machines' clocks are never compared.
 */
import {
  HOST_LEASE_SECONDS,
  hostLeaseName,
  isCompatible,
  PROTOCOL_VERSION,
  SYSTEM_NAMESPACE,
} from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { Host, type HostStatus } from '../../api/kinds/host.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done, waiting } from '../../base/outcome.ts';
import { formatBytes } from '../../base/quantity.ts';
import type { Informer } from '../../client/contract.ts';
import { setCondition } from '../../runtime/conditions.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Allocation, Ledger } from '../placement/ledger.ts';

/** Sums of what is promised are written at most this often for a host, and not at once: what was placed is started first. */
const ALLOCATED_EVERY_MS = 2_000;
const ALLOCATED_AFTER_MS = 250;
const LEASE_PREFIX = hostLeaseName('');

export type HostSources = { hosts: Informer<Host>; leases: Informer<Lease>; ledger: Ledger; clock: Clock };

export function hostController(sources: HostSources): Controller<Host> {
  const { hosts, leases, ledger, clock } = sources;
  const renewals = new Map<string, { renewTime: string; at: number }>();
  const lastSums = new Map<string, number>();
  /** When sums that have changed are to be written, in a pass that is asked for already. */
  const due = new Map<string, number>();

  leases.onChange(({ after }) => {
    const renewTime = after?.spec.renewTime;
    if (after === undefined || typeof renewTime !== 'string') return;
    const known = renewals.get(after.metadata.name);
    if (known?.renewTime !== renewTime)
      renewals.set(after.metadata.name, { renewTime, at: clock.monotonic() });
  });

  function remaining(host: string): number {
    const seen = renewals.get(hostLeaseName(host));
    return seen === undefined ? 0 : seen.at + HOST_LEASE_SECONDS * 1000 - clock.monotonic();
  }

  /** Promises of the host have changed; false when a pass is to write that already. */
  function noteChange(host: string): boolean {
    if (due.has(host)) return false;
    const at = clock.monotonic();
    const last = lastSums.get(host) ?? Number.NEGATIVE_INFINITY;
    due.set(host, Math.max(at + ALLOCATED_AFTER_MS, last + ALLOCATED_EVERY_MS));
    return true;
  }

  /** The sums, or in how many milliseconds they are due: a burst of placements must not be a burst of writes. */
  function sumsOf(host: string): { sums: Allocation } | { inMs: number } {
    const at = clock.monotonic();
    const inMs = (due.get(host) ?? at) - at;
    if (inMs > 0) return { inMs };
    due.delete(host);
    lastSums.set(host, at);
    return { sums: ledger.allocated(host) };
  }

  async function reconcile({ object: host, now }: Pass<Host>): Promise<PassResult<Host>> {
    const left = remaining(host.metadata.name);
    const found = sumsOf(host.metadata.name);
    const status = statusOf(host, { online: left > 0, now, ...('sums' in found ? found : {}) });
    const next = Math.min(left > 0 ? left + 50 : Infinity, 'inMs' in found ? found.inMs : Infinity);
    return { outcome: Number.isFinite(next) ? waiting('Watching', '', next) : done, status };
  }

  return {
    name: 'hosts',
    kind: Host,
    informer: hosts,
    writes: ['status.state', 'status.allocated', 'status.conditions.Ready', 'status.conditions.Schedulable'],
    access: [{ kind: Lease, verbs: ['get', 'list', 'watch'], namespace: SYSTEM_NAMESPACE }],
    triggers: [
      trigger(leases, ({ before, after }) => hostsToLookAt(after ?? before, hosts)),
      {
        subscribe: (enqueue) =>
          ledger.onChange((host) => {
            if (noteChange(host)) enqueue(host);
          }),
      },
    ],
    reconcile,
  };
}

/** A renewal of an Online host changes nothing (its pass looks again when the Lease would run out); any other is news. */
function hostsToLookAt(lease: Stored<Lease> | undefined, hosts: Informer<Host>): string[] {
  if (lease === undefined || !lease.metadata.name.startsWith(LEASE_PREFIX)) return [];
  const name = lease.metadata.name.slice(LEASE_PREFIX.length);
  return hosts.get(name)?.status?.state === 'Online' ? [] : [name];
}

function statusOf(
  host: Stored<Host>,
  facts: { online: boolean; now: number; sums?: Allocation },
): HostStatus {
  const at = {
    now: facts.now,
    ...(host.metadata.generation === undefined ? {} : { generation: host.metadata.generation }),
  };
  const lost = lossOf(host, facts.online);
  const ready = lost === undefined ? readiness(host, facts.online) : lossCondition(lost, host);
  let conditions = setCondition([...(host.status?.conditions ?? [])], ready, at);
  conditions = setCondition(conditions, schedulable(host), at);
  const { sums } = facts;
  return {
    ...host.status,
    conditions,
    state: lost ?? (facts.online ? 'Online' : 'Offline'),
    ...(sums === undefined
      ? {}
      : { allocated: { cpu: Math.ceil(sums.cpus), memory: formatBytes(sums.memoryBytes) } }),
  };
}

/** What high availability makes of its silence, sooner than a Lease runs out; a host that nothing depends on is just Offline then. */
function lossOf({ status }: Stored<Host>, online: boolean): keyof typeof LOSSES | undefined {
  const state = status?.ha?.state;
  if (state === 'Suspect') return online ? state : undefined;
  return state === 'Fencing' || state === 'Fenced' ? state : undefined;
}

const LOSSES = {
  Suspect: 'it is silent',
  Fencing: 'its guests may be lost: it is being cut off, or waited for until it has certainly killed them',
  Fenced: 'it is proven that its guests are dead; it comes back by itself when it has been started anew',
} as const;

/** Where a person is to do something it says what. */
function lossCondition(
  lost: keyof typeof LOSSES,
  { status }: Stored<Host>,
): Pick<Condition, 'type' | 'status' | 'reason' | 'message'> {
  const { reason, message = '' } = status?.ha ?? {};
  if (reason !== undefined) return { type: 'Ready', status: 'False', reason, message };
  return { type: 'Ready', status: 'False', reason: lost, message: LOSSES[lost] };
}

/** Whether the host can run guests, as seen from outside. Pure. */
export function readiness(
  host: Stored<Host>,
  online: boolean,
): Pick<Condition, 'type' | 'status' | 'reason' | 'message'> {
  if (!online) {
    const message =
      'the agent of this host does not renew its Lease: see that vireo runs there and reaches the API server';
    return { type: 'Ready', status: 'False', reason: 'LeaseExpired', message };
  }
  const protocol = host.status?.protocolVersion ?? PROTOCOL_VERSION;
  if (!isCompatible(protocol)) {
    const message = `its agent speaks protocol ${protocol}, the manager ${PROTOCOL_VERSION}: upgrade the older one`;
    return { type: 'Ready', status: 'False', reason: 'VersionSkew', message };
  }
  const agent = host.status?.conditions?.find((condition) => condition.type === 'AgentReady');
  if (agent?.status === 'True') return { type: 'Ready', status: 'True', reason: 'AgentReady', message: '' };
  const message = agent?.message ?? 'the agent has not reported yet';
  return { type: 'Ready', status: 'False', reason: agent?.reason ?? 'NotReported', message };
}

function schedulable(host: Stored<Host>): Pick<Condition, 'type' | 'status' | 'reason' | 'message'> {
  if (host.spec.maintenance?.enabled === true) {
    const message = host.spec.maintenance.reason ?? 'spec.maintenance.enabled is true';
    return { type: 'Schedulable', status: 'False', reason: 'Maintenance', message };
  }
  return host.spec.unschedulable === true
    ? { type: 'Schedulable', status: 'False', reason: 'Unschedulable', message: 'spec.unschedulable is true' }
    : { type: 'Schedulable', status: 'True', reason: 'Schedulable', message: '' };
}
