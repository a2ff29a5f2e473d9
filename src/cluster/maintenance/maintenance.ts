/**
 * Empties hosts in maintenance and brings their guests back. All it knows stands in objects: what was asked on the Host, what was done on
 * each guest, each move as a Migration; so any leader goes on where the last one stopped. It never writes a spec.
 */
import { Container } from '../../api/kinds/container.ts';
import { Host } from '../../api/kinds/host.ts';
import { Migration } from '../../api/kinds/migration.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, waiting } from '../../base/outcome.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { isMachine, nameOf, type StoredGuest } from '../guests.ts';
import type { ShutdownPolicy } from '../ha/model.ts';
import type { Scheduler } from '../placement/scheduler.ts';
import { planComeback } from './comeback.ts';
import { arrivalOf, factsOf, type GuestFacts, migrationName } from './guests.ts';
import { type Act, type LeavePlan, planLeave } from './leave.ts';
import { isToBeEmptied, orderOf } from './orders.ts';
import { leaveRefusal, leaveVerdicts } from './refusal.ts';
import { maintenanceStatus } from './status.ts';

export type MaintenanceSources = {
  hosts: Informer<Host>;
  /** Guests of both kinds placed on the host. */
  guestsOn(host: string): StoredGuest[];
  /** Guests of both kinds whose record names the host. */
  guestsOf(host: string): StoredGuest[];
  /** Migrations of the guest `<kind>/<namespace>/<name>`. */
  migrationsOf(guest: string): Stored<Migration>[];
  scheduler: Pick<Scheduler, 'judge' | 'bound'>;
  /** By `<kind>/<namespace>/<name>`. */
  guest(key: string): StoredGuest | undefined;
  /** Of the ClusterPolicy. */
  shutdownPolicy(): ShutdownPolicy | undefined;
};

/** What tells nobody, such as room on other hosts, is looked at again after this. */
const RECHECK_MS = 15_000;
/** Finished moves are kept until the guest's record tells of them, and long enough to be read. */
const KEEP_SECONDS = 3_600;

export function maintenanceController(
  sources: MaintenanceSources,
  triggers: readonly Trigger[],
): Controller<Host> {
  return {
    name: 'maintenance',
    kind: Host,
    informer: sources.hosts,
    writes: ['status.maintenance', 'status.conditions.Drained'],
    access: [
      { kind: VirtualMachine, verbs: ['patch'], subresource: 'status' },
      { kind: Container, verbs: ['patch'], subresource: 'status' },
      { kind: Migration, verbs: ['create', 'delete'] },
    ],
    triggers,
    reconcile: (pass) => reconcile(pass, sources),
  };
}

async function reconcile(pass: Pass<Host>, sources: MaintenanceSources): Promise<PassResult<Host>> {
  const { object: host, now } = pass;
  const isOn = isToBeEmptied(host, sources.shutdownPolicy());
  const since = Date.parse(host.status?.maintenance?.since ?? '') || now;
  const returning = comebacks(host, isOn, now, sources);
  const plan = isOn ? leaving(host, since, now, sources) : undefined;
  for (const act of [...returning, ...(plan?.acts ?? [])]) await perform(act, pass);
  const isBusy = (isOn && plan?.isDrained !== true) || sources.guestsOf(host.metadata.name).length > 0;
  if (!isOn && host.status?.maintenance === undefined)
    return { outcome: isBusy ? waiting('Returning', '', RECHECK_MS) : done };
  const status = maintenanceStatus(host, plan, { since, now });
  return { outcome: isBusy ? waiting('Draining', '', RECHECK_MS) : done, status };
}

function leaving(host: Stored<Host>, since: number, now: number, sources: MaintenanceSources): LeavePlan {
  const { name } = host.metadata;
  return planLeave({
    host: name,
    maintenance: orderOf(host),
    since,
    now,
    guests: sources.guestsOn(name).map((guest) => gather(guest, host, sources)),
    refusal: ({ guest }, moves) => leaveRefusal(guest, host, moves, setSources(sources)),
  });
}

function gather(guest: StoredGuest, host: Stored<Host> | undefined, sources: MaintenanceSources): GuestFacts {
  const companions = sources.scheduler.bound(guest).map(({ key }) => key);
  return factsOf(guest, host, { migrationsOf: sources.migrationsOf, companions });
}

function setSources({ scheduler, guest, hosts }: MaintenanceSources) {
  return { scheduler, guest, host: (name: string) => hosts.get(name) };
}

function comebacks(
  host: Stored<Host>,
  isInMaintenance: boolean,
  now: number,
  sources: MaintenanceSources,
): Act[] {
  const { name } = host.metadata;
  const coming = new Set<string>();
  return sources.guestsOf(name).flatMap((guest) => {
    const { placement } = guest.status ?? {};
    const at = sources.hosts.get(placement?.host ?? '');
    const facts = gather(guest, at, sources);
    const arrival = arrivalOf(guest, sources.migrationsOf(facts.key));
    const refusal = isInMaintenance ? undefined : returnRefusal(guest, name, at, facts, sources);
    const acts = planComeback({ facts, host: name, isInMaintenance, arrival, refusal, now });
    if (!acts.some(({ type }) => type === 'move')) return acts;
    if (coming.has(facts.key)) return [];
    for (const key of facts.companions) coming.add(key);
    return acts;
  });
}

function returnRefusal(
  guest: StoredGuest,
  home: string,
  source: Stored<Host> | undefined,
  { runs }: GuestFacts,
  sources: MaintenanceSources,
): string | undefined {
  if (source === undefined) return 'its present host is gone';
  const moves = isMachine(guest) && runs ? 'Live' : 'Offline';
  const verdicts = leaveVerdicts(guest, source, moves, setSources(sources));
  const verdict = verdicts.find(({ host }) => host === home);
  return verdict === undefined ? undefined : verdict.fits ? undefined : verdict.reason;
}

async function perform(act: Act, pass: Pass<Host>): Promise<void> {
  const { client, signal, now, event } = pass;
  const { guest, own } = act.facts;
  const { namespace, name } = nameOf(guest);
  switch (act.type) {
    case 'record': {
      const since = timeOf(now);
      const maintenance = act.record === undefined ? null : { ...act.record, since };
      const { uid, resourceVersion } = guest.metadata;
      const patch = { metadata: { uid, resourceVersion }, status: { maintenance } };
      const how = { subresource: 'status', signal } as const;
      // The version read: whoever moved or deleted the guest meanwhile was first.
      if (isMachine(guest)) await client.mergePatch(VirtualMachine, guest.metadata, patch, how);
      else await client.mergePatch(Container, guest.metadata, patch, how);
      return;
    }
    case 'move': {
      await client.create(Migration, migrationOf(act), { signal }).catch(unlessThere);
      event(
        'Normal',
        'Moving',
        `${guest.kind} ${namespace}/${name} moves${act.target === undefined ? '' : ' back'}`,
      );
      return;
    }
    case 'dropMove': {
      if (own === undefined) return;
      const { uid } = own.metadata;
      await client.delete(Migration, own.metadata, { uid, signal }).catch(unlessThere);
      return;
    }
    default:
      act satisfies never;
  }
}

function migrationOf({ facts: { guest }, how, target }: Extract<Act, { type: 'move' }>): Migration {
  const { kind, namespace, name } = nameOf(guest);
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Migration',
    metadata: { name: migrationName(guest, guest.status?.placement?.epoch ?? 0), namespace },
    spec: {
      guest: { kind, name },
      type: how,
      ttlSecondsAfterFinished: KEEP_SECONDS,
      ...(target === undefined ? {} : { targetHost: target }),
    },
  };
}

/** Another leader, or an earlier pass, has done it. */
function unlessThere(error: unknown): void {
  if (!(error instanceof ApiError && (error.code === 409 || error.code === 404))) throw error;
}
