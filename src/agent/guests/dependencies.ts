/**
 * Whether what a guest depends on is there, asked of the API before each of its starts: on whatever hosts the others run. An order and no safety: what
 * cannot be found out keeps the guest waiting, and only for so long.
 */
import { hostLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Lease } from '../../api/core.ts';
import type { Dependency } from '../../api/guest.ts';
import { Container } from '../../api/kinds/container.ts';
import { Host } from '../../api/kinds/host.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { Condition, Stored } from '../../api/meta.ts';
import type { GuestObject } from './kind.ts';
import { read } from './read.ts';
import type { DependencyState, GuestScope } from './scope.ts';
import type { GuestWorld } from './world.ts';

const RECHECK_MS = 1_000;
const DEFAULT_TIMEOUT_SECONDS = 600;

/** What of the world is asked. */
export type DependencyWorld = Pick<GuestWorld, 'client' | 'host' | 'records' | 'presence'>;

/** Blocked while one of them is not there and its time is not over; those are waited for no longer whose time is. */
export async function checkDependencies(
  world: DependencyWorld,
  scope: Pick<GuestScope, 'object' | 'namespace' | 'memory' | 'now' | 'signal'>,
): Promise<DependencyState> {
  const { dependsOn = [] } = scope.object.spec;
  const since = waitingSince(scope);
  scope.memory.waitsSince = since;
  const missing: string[] = [];
  const given: string[] = [];
  for (const dependency of dependsOn) {
    const lack = await lackOf(dependency, world, scope);
    if (lack === undefined) continue;
    const { kind, name, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = dependency;
    const isOver = scope.now - since >= timeoutSeconds * 1_000;
    (isOver ? given : missing).push(`${kind} ${name}, ${lack}`);
  }
  if (missing.length > 0) {
    const message = `it is started after ${[...missing, ...given].join('; and after ')}`;
    return {
      type: 'Blocked',
      outcome: { type: 'waiting', reason: 'WaitingForDependencies', message, afterMs: RECHECK_MS },
    };
  }
  return given.length > 0 ? { type: 'GivenUp', message: given.join('; ') } : { type: 'Ready' };
}

/** Of this start: kept in the condition, so that another agent, or another host, goes on counting. */
function waitingSince({ object, memory, now }: Pick<GuestScope, 'object' | 'memory' | 'now'>): number {
  if (memory.waitsSince !== undefined) return memory.waitsSince;
  const told = object.status?.conditions?.find(({ type }) => type === 'DependenciesReady');
  return told?.status === 'False' ? Math.min(now, Date.parse(told.lastTransitionTime)) : now;
}

/** What it lacks, to be read after its name; undefined: it is there. */
async function lackOf(
  { kind, name, condition }: Dependency,
  world: DependencyWorld,
  { object, namespace, memory, signal }: Pick<GuestScope, 'object' | 'namespace' | 'memory' | 'signal'>,
): Promise<string | undefined> {
  const other: Stored<GuestObject> | undefined =
    kind === 'Container'
      ? await world.client.find(Container, { namespace, name }, read(signal))
      : await world.client.find(VirtualMachine, { namespace, name }, read(signal));
  if (other === undefined) return 'which does not exist';
  if (other.metadata.uid === object.metadata.uid)
    return 'which is this guest itself: remove it from spec.dependsOn';
  const { placement } = other.status ?? {};
  const isMutual = other.spec.dependsOn?.some((one) => isIt(one, object)) === true;
  const note = isMutual ? ', and depends on this guest: remove one of the two from spec.dependsOn' : '';
  if (placement === undefined) return `which has no host yet${note}`;
  const runs =
    placement.host === world.host
      ? runsHere(world, kind, `${namespace}/${name}`)
      : await runsThere(world, placement, other.metadata.uid, memory.leasesSeen, signal);
  if (!runs) return `which does not run${note}`;
  const conditions = ['Running', condition].map((type) => findIn(other.status?.conditions, type));
  return conditions.every((one) => one?.status === 'True') ? undefined : `which is not ${condition}${note}`;
}

function isIt({ kind, name }: Dependency, object: Stored<GuestObject>): boolean {
  return kind === object.kind && name === object.metadata.name;
}

function findIn(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** What the API says of it may be from before the host was started anew. */
function runsHere({ records, presence }: DependencyWorld, kind: string, key: string): boolean {
  const id = records.byKey(kind, key)?.id;
  return id !== undefined && presence.isRunning(id);
}

/** By the word of its host for this very placement, and only if the host has renewed its Lease since it was first asked about: it may be gone. */
async function runsThere(
  { client }: DependencyWorld,
  { host: name, epoch }: { host: string; epoch: number },
  uid: string,
  seen: Map<string, string>,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = { namespace: SYSTEM_NAMESPACE, name: hostLeaseName(name) };
  const [host, lease] = await Promise.all([
    client.find(Host, { name }, read(signal)),
    client.find(Lease, ref, read(signal)),
  ]);
  const renewal = lease?.spec.renewTime;
  if (host === undefined || typeof renewal !== 'string') return false;
  const first = seen.get(name) ?? renewal;
  seen.set(name, first);
  const isHeard = first !== renewal && findIn(host.status?.conditions, 'Ready')?.status === 'True';
  const listed = host.status?.guests?.find((guest) => guest.uid === uid);
  return isHeard && listed?.running === true && listed.epoch === epoch;
}
