/** The keeper's ports on a real host: its Lease and the ClusterPolicy in the API, control groups, and a file that a boot forgets. */
import { writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { KEEPER_HOST_ANNOTATION, keeperLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import { safeTimingsOf } from '../../api/haPolicy.ts';
import { DEFAULT_HA_TIMINGS } from '../../api/haTimings.ts';
import { readStatement, writeStatement } from '../../api/keeperLease.ts';
import { CLUSTER_POLICY, ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import { Host } from '../../api/kinds/host.ts';
import { apiVersionOf } from '../../api/meta.ts';
import { type Clock, microTimestamp } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import type { Client } from '../../client/contract.ts';
import { type Cgroups, jobsGroup } from '../../drivers/cgroup/contract.ts';
import type { KeeperMemory, KeeperPorts, StoredLease, VoteTable } from '../../keeper/contract.ts';
import type { Place } from './peers.ts';

/** Beside the statement: the control group of each guarded guest, and where peers ask. */
const GROUPS = 'vireo.dev/guarded-groups';
const PLACE = 'vireo.dev/keeper-place';

/** Times of one boot can be compared across processes: counted from the boot, suspension included (os.uptime: 10 ms). */
export function bootClock(clock: Clock): Clock {
  const ahead = uptime() * 1_000 - clock.monotonic();
  return { ...clock, monotonic: () => clock.monotonic() + ahead };
}

export function leasePort(
  client: Client,
  { host, clock, place }: { host: string; clock: Clock; place: () => Place | undefined },
): KeeperPorts['lease'] {
  const ref = { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName(host) };
  return {
    read: async (timeoutMs): Promise<StoredLease | undefined> => {
      const found = await client.find(Lease, ref, { timeoutMs });
      if (found === undefined) return undefined;
      const statement = readStatement(found.metadata);
      return {
        version: found.metadata.resourceVersion,
        groups: parsed<Record<string, string>>(found.metadata.annotations?.[GROUPS]) ?? {},
        ...(statement === undefined ? {} : { statement }),
      };
    },
    write: async (statement, groups, before, timeoutMs) => {
      const at = place();
      const annotations = {
        [KEEPER_HOST_ANNOTATION]: host,
        ...writeStatement(statement),
        [GROUPS]: JSON.stringify(groups),
        ...(at === undefined ? {} : { [PLACE]: JSON.stringify(at) }),
      };
      const spec = {
        holderIdentity: `${host}_${statement.bootID}`,
        leaseDurationSeconds: Math.ceil(statement.timings.selfFenceAfter / 1_000),
        leaseTransitions: statement.term,
        renewTime: microTimestamp(clock),
      };
      const request = { timeoutMs };
      if (before !== undefined) {
        const patch = { metadata: { resourceVersion: before, annotations }, spec };
        return (await client.mergePatch(Lease, ref, patch, request)).metadata.resourceVersion;
      }
      // It goes with its Host.
      const { uid } = (await client.get(Host, { name: host }, request)).metadata;
      const owner = { apiVersion: apiVersionOf(Host), kind: Host.kind, name: host, uid };
      const metadata = { ...ref, annotations, ownerReferences: [owner] };
      const object: Lease = { apiVersion: apiVersionOf(Lease), kind: Lease.kind, metadata, spec };
      return (await client.create(Lease, object, request)).metadata.resourceVersion;
    },
  };
}

/** Where the keeper of a host is asked, as its Lease says. */
export async function placeOf(client: Client, host: string, timeoutMs: number): Promise<Place | undefined> {
  const ref = { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName(host) };
  const found = await client.find(Lease, ref, { timeoutMs });
  return parsed<Place>(found?.metadata.annotations?.[PLACE]);
}

function parsed<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/** Times that are not safe together are not followed. */
export function policyPort(client: Client): KeeperPorts['policy'] {
  return async (timeoutMs) => {
    const policy = await client.find(ClusterPolicy, { name: CLUSTER_POLICY }, { timeoutMs });
    const safe = safeTimingsOf(policy?.spec ?? {});
    const timings = 'timings' in safe ? safe.timings : DEFAULT_HA_TIMINGS;
    const votes = policy?.status?.votes;
    if (votes === undefined) return { timings };
    const table: VoteTable = {
      version: votes.version,
      votes: Object.fromEntries(votes.voters.map((voter) => [voter.name, voter.votes])),
    };
    return { timings, table };
  };
}

export function incidentPort(client: Client, host: string): KeeperPorts['incident'] {
  return async (timeoutMs) => {
    const { status } = await client.get(Host, { name: host }, { timeoutMs });
    return status?.ha?.incident;
  };
}

/**
 * A guest's own group that was killed stands still from then on: what was about to be started into it does not run before it is guarded anew. The
 * group of its programs is gone: one that was about to be started into it is not. It is dead once `writeOut` has resolved, too; that is begun when it
 * freezes, so that little is left to be written when it is killed.
 */
export function guestsPort(cgroups: Cgroups, writeOut: () => Promise<void>): KeeperPorts['guests'] {
  const freezeOwn = async (id: string): Promise<boolean> => {
    if ((await cgroups.members(id)).length === 0) return false;
    await cgroups.freeze(id);
    return true;
  };
  /** Empty or not: a program that joins it now stands still. */
  const freezeJobs = async (id: string): Promise<boolean> => {
    const group = jobsGroup(id);
    const before = (await cgroups.members(group)).length;
    await cgroups.createFreezable(group);
    await cgroups.freeze(group);
    return before > 0;
  };
  const killOwn = async (id: string): Promise<void> => {
    await cgroups.killAll(id, { timeoutMs: 1_000 });
    await cgroups.create(id);
    await cgroups.freeze(id);
  };
  const end = (group: string) => cgroups.end(group, { timeoutMs: 1_000 });
  return {
    admit: (id, term) => cgroups.createFreezable(`${jobsGroup(id)}/${term}`),
    dismiss: (id, term) => end(`${jobsGroup(id)}/${term}`),
    freeze: async (id) => {
      const frozen = await Promise.allSettled([freezeOwn(id), freezeJobs(id)]);
      if (frozen.some((one) => one.status === 'rejected' || one.value)) writeOut().catch(() => undefined);
      for (const one of frozen) if (one.status === 'rejected') throw one.reason;
    },
    thaw: async (id) => {
      for (const group of [id, jobsGroup(id)]) if (await cgroups.isFrozen(group)) await cgroups.thaw(group);
    },
    kill: async (id) => {
      await Promise.all([killOwn(id), end(jobsGroup(id))]);
      await writeOut();
    },
  };
}

/** As Documentation/admin-guide/sysrq.rst of Linux has it: `b` reboots at once, whatever hangs; root need not be allowed it by kernel.sysrq. */
export function resetPort(path = '/proc/sysrq-trigger'): NonNullable<KeeperPorts['reset']> {
  return () => writeFileSync(path, 'b');
}

/** In the run directory, which a boot empties; one write after the other. */
export function memoryPort(files: Files, directory: string): KeeperPorts['memory'] {
  const path = join(directory, 'keeper.json');
  let line: Promise<unknown> = Promise.resolve();
  return {
    load: async () => parsed<KeeperMemory>(await files.readText(path)),
    save: (memory) => {
      const write = () => files.writeAtomic(path, JSON.stringify(memory), { mode: 0o600, fleeting: true });
      const written = line.then(write, write);
      line = written;
      return written;
    },
  };
}
