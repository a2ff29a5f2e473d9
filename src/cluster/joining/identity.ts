/**
 * What a host is to the API: its Host, the ServiceAccount its agent is, that account's token, its rights and its Lease. All of them belong to
 * the Host and go with it, which is how a host's access is taken back. Each step may be repeated after a crash.
 */
import { hostAccountName, hostLeaseName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { ClusterRoleBinding, Lease, RoleBinding, Secret, ServiceAccount } from '../../api/core.ts';
import { Host } from '../../api/kinds/host.ts';
import {
  apiVersionOf,
  type KindRef,
  type KubeObject,
  type OwnerReference,
  type Stored,
} from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { ApiError, type Client } from '../../client/contract.ts';

export type IdentityDeps = { client: Client; clock: Clock; signal?: AbortSignal };

/** ClusterRole, and Role in SYSTEM_NAMESPACE, that every agent is bound to. */
export const AGENT_ROLE = 'vireo-agent';
/** On the ServiceAccount: uid of the request it was made for. */
export const JOINED_BY = 'vireo.dev/joined-by';

const LABELS = { 'app.kubernetes.io/part-of': 'vireo' };
const HOSTNAME_LABEL = 'kubernetes.io/hostname';
const TOKEN_PATIENCE_MS = 10_000;

/** Name of the bindings of a host. */
function bindingName(host: string): string {
  return `vireo-host-${host}`;
}

/**
 * Makes what is missing and resolves with the token. With `joinedBy`, an account made for another request is replaced, so that whoever had its
 * token has none any more. Throws ReasonedError HostLeaving, NoToken, or ApiError.
 */
export async function establishHost(
  deps: IdentityDeps,
  host: string,
  joinedBy?: string,
): Promise<{ uid: string; token: string }> {
  const owner = ownerOf(await hostOf(deps, host));
  const account = await accountOf(deps, host, owner, joinedBy);
  const [token] = await Promise.all([
    tokenOf(deps, host, owner, account.metadata.uid),
    bind(deps, host, owner),
    own(deps, Lease, leaseOf(host, owner)),
  ]);
  return { uid: owner.uid, token };
}

async function hostOf({ client, signal }: IdentityDeps, name: string): Promise<Stored<Host>> {
  const how = signal === undefined ? {} : { signal };
  const found = await client.find(Host, { name }, how);
  if (found?.metadata.deletionTimestamp !== undefined)
    throw new ReasonedError('HostLeaving', `Host ${name} is being deleted`);
  if (found !== undefined) return found;
  const metadata = { name, labels: { [HOSTNAME_LABEL]: name } };
  const object: Host = { apiVersion: apiVersionOf(Host), kind: Host.kind, metadata, spec: {} };
  return client.create(Host, object, how).catch((error: unknown) => {
    if (error instanceof ApiError && error.reason === 'AlreadyExists') return client.get(Host, { name }, how);
    throw error;
  });
}

function ownerOf({ metadata: { name, uid } }: Stored<Host>): OwnerReference {
  return { apiVersion: apiVersionOf(Host), kind: Host.kind, name, uid };
}

function accountOf(
  deps: IdentityDeps,
  host: string,
  owner: OwnerReference,
  joinedBy: string | undefined,
): Promise<Stored<ServiceAccount>> {
  const metadata = {
    ...inSystem(hostAccountName(host), owner),
    ...(joinedBy === undefined ? {} : { annotations: { [JOINED_BY]: joinedBy } }),
  };
  const object: ServiceAccount = { apiVersion: 'v1', kind: 'ServiceAccount', metadata, spec: undefined };
  const isOurs = (found: Stored<ServiceAccount>) =>
    joinedBy === undefined || found.metadata.annotations?.[JOINED_BY] === joinedBy;
  return own(deps, ServiceAccount, object, isOurs);
}

async function bind(deps: IdentityDeps, host: string, owner: OwnerReference): Promise<void> {
  const apiGroup = ClusterRoleBinding.group;
  const name = bindingName(host);
  const subjects = [{ kind: 'ServiceAccount', name: hostAccountName(host), namespace: SYSTEM_NAMESPACE }];
  const binding = (kind: 'Role' | 'ClusterRole', metadata: { name: string; namespace?: string }) => ({
    apiVersion: `${apiGroup}/v1`,
    kind: `${kind}Binding`,
    metadata: { ...metadata, labels: LABELS, ownerReferences: [owner] },
    spec: undefined,
    roleRef: { apiGroup, kind, name: AGENT_ROLE },
    subjects,
  });
  await Promise.all([
    own(deps, ClusterRoleBinding, binding('ClusterRole', { name })),
    own(deps, RoleBinding, binding('Role', { name, namespace: SYSTEM_NAMESPACE })),
  ]);
}

/** Nobody holds it yet: the agent takes it over, and need not make one that would stay when the Host goes. */
function leaseOf(host: string, owner: OwnerReference): Lease {
  const metadata = inSystem(hostLeaseName(host), owner);
  return { apiVersion: apiVersionOf(Lease), kind: Lease.kind, metadata, spec: {} };
}

async function tokenOf(
  deps: IdentityDeps,
  host: string,
  owner: OwnerReference,
  accountUid: string,
): Promise<string> {
  const { client, clock, signal } = deps;
  const name = hostAccountName(host);
  const metadata = {
    ...inSystem(name, owner),
    annotations: { 'kubernetes.io/service-account.name': name },
  };
  const type = 'kubernetes.io/service-account-token';
  const object: Secret = { apiVersion: 'v1', kind: 'Secret', metadata, spec: undefined, type };
  const isOurs = ({ metadata: { annotations = {} } }: Stored<Secret>) =>
    (annotations['kubernetes.io/service-account.uid'] ?? accountUid) === accountUid;
  await own(deps, Secret, object, isOurs);
  const deadline = clock.monotonic() + TOKEN_PATIENCE_MS;
  for (;;) {
    const secret = await client.find(Secret, metadata, signal === undefined ? {} : { signal });
    const token = secret?.data?.token;
    if (secret !== undefined && token !== undefined && isOurs(secret))
      return Buffer.from(token, 'base64').toString('utf8');
    if (clock.monotonic() > deadline)
      throw new ReasonedError('NoToken', `the API server has not filled Secret ${SYSTEM_NAMESPACE}/${name}`);
    await clock.sleep(10, signal);
  }
}

function inSystem(name: string, owner: OwnerReference) {
  return { namespace: SYSTEM_NAMESPACE, name, labels: LABELS, ownerReferences: [owner] };
}

/**
 * The object as the Host's own. One that belonged to an earlier Host of the name is about to be collected as garbage: it is replaced at once,
 * or the new host would lose it a moment later.
 */
async function own<T extends KubeObject>(
  { client, signal }: IdentityDeps,
  kind: KindRef<T>,
  object: T,
  isOurs: (found: Stored<T>) => boolean = () => true,
): Promise<Stored<T>> {
  const how = signal === undefined ? {} : { signal };
  const found = await client.find(kind, object.metadata, how);
  if (found === undefined) return client.create(kind, object, how);
  const { ownerReferences } = object.metadata;
  const { ownerReferences: owners = [], uid, resourceVersion } = found.metadata;
  if (owners.length === 0 && isOurs(found)) {
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    return client.mergePatch(kind, object.metadata, patch, how);
  }
  if (owners.some((one) => one.uid === ownerReferences?.[0]?.uid) && isOurs(found)) return found;
  await client.delete(kind, object.metadata, { uid, ...how });
  return client.create(kind, object, how);
}
