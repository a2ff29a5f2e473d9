/** Names that all roles share: namespaces, finalizers, annotations, the cluster's own ConfigMap. */

/** Where Vireo keeps its own objects: leases, the cluster ConfigMap. */
export const SYSTEM_NAMESPACE = 'vireo-system';

/** ConfigMap in SYSTEM_NAMESPACE with `id` (made once) and `incarnation` (raised by each new leader). */
export const CLUSTER_CONFIG_MAP = 'cluster';

/** Holds a guest until its host has removed everything of it. */
export const GUEST_FINALIZER = 'vireo.dev/guest';
/** Holds a pool or image until no guest uses it. */
export const IN_USE_FINALIZER = 'vireo.dev/in-use';

/** Hold a migration until its source, and its target, have nothing more to do for it. */
export const MIGRATION_FINALIZERS = {
  source: 'vireo.dev/migration-source',
  target: 'vireo.dev/migration-target',
} as const;

/** Holds a snapshot until its host has removed what it kept. */
export const SNAPSHOT_FINALIZER = 'vireo.dev/snapshot';

/** Holds a backup until its host has removed its archive, or knows that it stays. */
export const BACKUP_FINALIZER = 'vireo.dev/backup';

/** Holds the ClusterPolicy until nothing is stored any more of what was decided by it. */
export const POLICY_FINALIZER = 'vireo.dev/high-availability';

/** `<name>/<metadata.uid>`, written before the first side effect: the same name with another uid is a restored copy. */
export const STARTED_ANNOTATION = 'vireo.dev/started';

/** On a Host, its own name: it may be deleted though guests are on it. */
export const CONFIRM_DELETE_ANNOTATION = 'vireo.dev/confirm-delete';

/** Name of a host's Lease in SYSTEM_NAMESPACE. */
export function hostLeaseName(host: string): string {
  return `host-${host}`;
}

/**
 * Name of the Lease of a host's keeper in SYSTEM_NAMESPACE. It is one of its own: the Lease of the agent is renewed by another process, and a
 * renewal by the agent says nothing about the keeper.
 */
export function keeperLeaseName(host: string): string {
  return `keeper-${host}`;
}

/** On the Lease of a keeper, its host's name: admission compares it with who writes. */
export const KEEPER_HOST_ANNOTATION = 'vireo.dev/keeper-host';

/** Seconds a host's Lease is valid; renewed every third of it. */
export const HOST_LEASE_SECONDS = 15;

/** ServiceAccount in SYSTEM_NAMESPACE that the agent of a host is. */
export function hostAccountName(host: string): string {
  return `host-${host}`;
}

/** User name of a ServiceAccount in SYSTEM_NAMESPACE. */
export function accountUser(name: string): string {
  return `system:serviceaccount:${SYSTEM_NAMESPACE}:${name}`;
}

/** ServiceAccount in SYSTEM_NAMESPACE that a machine is until it has joined. */
export const JOIN_ACCOUNT = 'join';

/** Type of the Secrets that join tokens are bound to. */
export const JOIN_SECRET_TYPE = 'vireo.dev/join';

/** Signer names of CertificateSigningRequests. */
export const SIGNERS = {
  /** Machines that want to join: approved requests are answered with credentials, not with a certificate. */
  join: 'vireo.dev/join',
  /** Certificates by which agents know each other. */
  agent: 'vireo.dev/agent',
} as const;

/** Secret (`tls.crt`, `tls.key`) and ConfigMap (`ca.crt`) in SYSTEM_NAMESPACE: the authority of agent certificates. */
export const AGENT_AUTHORITY = 'agent-ca';

/** Version of what agents and managers expect of each other in the API; one more or one less is understood. */
export const PROTOCOL_VERSION = 1;

/** True when both sides understand each other: rolling upgrades mix neighbouring versions. */
export function isCompatible(theirs: number, ours: number = PROTOCOL_VERSION): boolean {
  return Math.abs(theirs - ours) <= 1;
}

/** What a machine that joins and the manager write for each other. */
export const JOINING = {
  /** On a request to join: the Secret its token is bound to. */
  secret: 'vireo.dev/join-secret',
  /** On a request to join: the protocol version of the machine. */
  protocol: 'vireo.dev/protocol-version',
  /** On an approved request: the host's token, encrypted (JWE, RFC 7516) to the key of the request. */
  credentials: 'vireo.dev/credentials',
  /** On the Secret of a token: the one host name it is for; absent: any. */
  host: 'vireo.dev/join-host',
  /** On the Secret of a token: id of the token (RFC 7519 `jti`), which servers add to what they say of its user. */
  credentialID: 'vireo.dev/credential-id',
  /** On the Secret of a token: uid of the request that has used it. */
  usedBy: 'vireo.dev/used-by',
  /** On the Secret of a token: when the token ends. */
  expiresAt: 'vireo.dev/expires-at',
} as const;
