/** What the engine sees and what it may decide. All of it is stored in the API by somebody; nothing here measures time. */
import type { HaTimings } from '../../api/haTimings.ts';
import type { Observer } from './observer.ts';

export { guardKey } from '../../api/keeperLease.ts';

/** Version of an object in the API: only whether two are the same means anything. */
export type Version = number | string;

export type HostState = 'Online' | 'Maintenance' | 'Suspect' | 'Fencing' | 'Fenced' | 'Offline';
export type GuestState =
  | 'Started'
  | 'Stopped'
  | 'Starting'
  | 'Stopping'
  | 'Migrating'
  | 'Relocating'
  | 'Fencing'
  | 'Recovering'
  | 'Frozen'
  | 'Error'
  | 'Disabled'
  | 'Ignored';
/** What is asked of a guest: `ha.mode` and run strategy in one word. */
export type WantedState = 'Started' | 'Stopped' | 'Disabled' | 'Ignored';

/**
 * StorageRevoked says less than the others: what it covers may go on executing, but writes nothing any more. Its incident stays open for one of them.
 */
export type ProofKind = 'PowerOff' | 'SelfFence' | 'NewBoot' | 'OrderlyStop' | 'Manual' | 'StorageRevoked';

/** One boot of a host between two self-fences: what a guest's placement and a proof are bound to. */
export type Life = { bootID: string; term: number };

/** Of a guest that was placed where nobody has told it the host's life: it is that of no host, and no proof speaks of it. */
export const NO_LIFE: Life = { bootID: '', term: 0 };

/** Nothing of `life` runs any more, or writes any more. `covers`: only these guests, as `<uid>@<epoch>`; absent: everything. */
export type Proof = Life & { kind: ProofKind; incident: string; covers?: readonly string[] };

export type Incident = Life & {
  id: string;
  /** Peers had heard the host when it fell silent for the manager: its power is left alone. */
  reached?: true;
};

/** What the manager stores of a host. */
export type HostRecord = {
  state: HostState;
  /** The life the host was last seen in. */
  life?: Life;
  /** The machine that had it, as its agent said; absent while no agent has. */
  machineID?: string;
  incident?: Incident;
  /** Counts incidents, for their names. */
  incidents?: number;
  proof?: Proof;
  /** Boot in which storage was taken from it, or may have been: it takes nobody before another one. */
  revoked?: string;
  /** What a person should know of it. */
  reason?: string;
};

/** A power fence under way or over, for one level of devices of one incident. */
export type Fence = {
  id: string;
  host: string;
  incident: string;
  level: number;
  /** PoweredOff: every device of the level was off and said so. */
  result?: 'PoweredOff' | 'Failed' | 'Refused';
};

/** One pool's storage being taken from a host of an incident, or taken: the pool takes no write of that boot any more. */
export type Revocation = {
  id: string;
  host: string;
  incident: string;
  pool: string;
  /** Revoked: the pool has said so. Failed, and none: it may be so all the same. */
  result?: 'Revoked' | 'Failed' | 'Refused';
};

/** An orderly end that the host's agent has announced, or has reached. */
export type Shutdown = Life & {
  kind: 'Reboot' | 'PowerOff';
  /** Its guests are gone, its volumes closed, its start gate shut. */
  stopped?: true;
};

export type ShutdownPolicy = 'Conditional' | 'Freeze' | 'Failover' | 'Migrate';

export type HostView = {
  name: string;
  votes: number;
  record: HostRecord;
  version: Version;
  /** Its agent works. */
  ready: boolean;
  maintenance: boolean;
  shutdown?: Shutdown;
  /** Manual proof given by a person for this incident. */
  confirmed?: string;
  fencing: readonly (readonly string[])[];
  /** Its devices are told so long after it is suspect; at once when absent. */
  fencingDelayMs?: number;
  shutdownPolicy?: ShutdownPolicy;
  /** What may be promised to guests that the engine counts. */
  cpus: number;
  memoryBytes: number;
  /** How the memory comes about, for people: `32Gi x 1.5`; absent where it is what the host has. */
  memoryInWords?: string;
  /** What guests can really use of it. */
  real: { cpus: number; memoryBytes: number };
  /** What guests use of it that the engine does not count. */
  usedByOthers?: { cpus: number; memoryBytes: number };
  /** What its agent last reported, by guest id. */
  reported: ReadonlyMap<string, GuestReport>;
  /** The life that report speaks of. */
  reportedIn?: Life;
  /** The machine its agent runs on, and that machine's boot. */
  machine?: { id: string; bootID: string };
};

export type GuestReport = {
  epoch: number;
  /** Whose process it is, where reports are by name: one that is left of an earlier object of this name is not adopted. */
  uid?: string;
  /** Preparing: volumes or interfaces are in use, nothing executes yet. */
  state: 'Running' | 'Preparing' | 'Off';
  /** Failed starts of this epoch. */
  failures: number;
  /** A stop has gone on beyond its limit, forced or not. */
  stopFailed?: boolean;
  /** The move that did not come about. */
  moveFailed?: string;
};

export type Placement = { host: string; epoch: number } & Life;

/** What the manager stores of a guest. */
export type GuestRecord = {
  state: GuestState;
  placement?: Placement;
  /** Where it goes: Migrating, Relocating. */
  target?: string;
  /** The move or command that is under way. */
  move?: { id: string; why: MoveReason; to: string };
  /** Counts moves, for their names. */
  moves?: number;
  /** The last command of a person that was taken or refused. */
  command?: string;
  refusal?: string;
  /** Hosts whose tries are used up since the last success. */
  tried?: readonly string[];
  /** Hosts it was sent away from: it does not go back to them by itself, until somebody stops it or moves it. */
  failedOn?: readonly string[];
  relocations?: number;
  /** Where it did not start, since it last did: on real hosts, whose agents say so. */
  attempts?: readonly StartAttempt[];
  /** Where maintenance, or an orderly end, took it from. */
  origin?: string;
  /** Its host was lost before the guest was known to run there: what its Lease does not list has not been started. */
  unstarted?: true;
  /** Why it waits. */
  reason?: string;
};

/** Starts that failed in one placement; `to`: the host it was sent to after that. */
export type StartAttempt = { host: string; epoch: number; failures: number; to?: string };

export type MoveReason =
  | 'Person'
  | 'Maintenance'
  | 'Shutdown'
  | 'Failback'
  | 'Return'
  | 'Rule'
  | 'Failure'
  | 'Balance';

export type Command = { id: string; do: 'Migrate' | 'Relocate'; to: string };

export type GuestView = {
  id: string;
  uid: string;
  version: Version;
  record: GuestRecord;
  wanted: WantedState;
  command?: Command;
  group?: string;
  maxRestart: number;
  maxRelocate: number;
  failback: boolean;
  cpus: number;
  memoryBytes: number;
  /** Where it is placed its memory is set aside already, and not in what that host may promise. */
  isRoomKept?: true;
  /** Pools of all volumes that it may write to, those of its process included; absent: not all are known. */
  pools?: readonly string[];
  /** For balancing by load. */
  load?: { cpus: number; memoryBytes: number };
  liveMigratable: boolean;
  lock?: 'Backup' | 'Create' | 'Snapshot' | 'Migrate';
  /** Where it is placed before anything of HA has looked at it. */
  declaredHost?: string;
  priority: number;
};

export type Group = {
  name: string;
  hosts: readonly { name: string; priority: number }[];
  restricted: boolean;
};

export type Rule = {
  name: string;
  type: 'KeepTogether' | 'KeepApart';
  strict: boolean;
  guests: readonly string[];
};

export type Rebalancing = {
  by: 'Count' | 'Requests' | 'Load';
  onStart: boolean;
  automatic: boolean;
  threshold: number;
  margin: number;
  holdMs: number;
};

export const DEFAULT_REBALANCING: Rebalancing = {
  ...{ by: 'Count', onStart: false, automatic: false },
  ...{ threshold: 0.3, margin: 0.1, holdMs: 30_000 },
};

export type Policy = {
  timings: HaTimings;
  shutdownPolicy: ShutdownPolicy;
  maxConcurrentFences?: number;
  selfFenceWithoutWatchdog: 'Allow' | 'Deny';
  /** Whether guests that cannot write any more are as good as dead. */
  storageRevocation: 'Sufficient' | 'Ignore';
  haPaused?: 'Freeze' | 'Ignore';
  rebootGraceMs: number;
  freezeDeadlineMs: number;
  rebalancing: Rebalancing;
};

/** One moment as the leader sees it. Maps are by name or id. */
export type View = {
  now: number;
  hosts: ReadonlyMap<string, HostView>;
  guests: ReadonlyMap<string, GuestView>;
  groups: ReadonlyMap<string, Group>;
  rules: readonly Rule[];
  fences: readonly Fence[];
  revocations: readonly Revocation[];
  /** Pools that can be taken from a host, by name. */
  revocable: ReadonlySet<string>;
  policy: Policy;
  observer: Observer;
  /** Votes of machines that hold a Lease and run no guests. */
  witnesses: ReadonlyMap<string, number>;
  /** While some hosts may still count by the votes that were before: majorities must hold under these too. */
  formerVotes?: ReadonlyMap<string, number>;
  /** Since when this manager has seen each thing hold, on its own clock: forgotten by its successor. */
  since: Since;
};

/** Measures how long something has held, on one manager's own clock. */
export type Since = (what: string, holds: boolean) => number;

export type Decision =
  | { type: 'Host'; host: string; version: Version; record: HostRecord; reason: string }
  | { type: 'Guest'; guest: string; version: Version; record: GuestRecord; reason: string }
  | { type: 'Fence'; fence: Fence; devices: readonly string[]; life: Life }
  | { type: 'Revoke'; revocation: Revocation; life: Life };

/** Reason of a guest that runs where a strict rule does not want it, and that nobody can take elsewhere. */
export const RULE_BROKEN = 'RuleBroken';

/** Reason of a guest that is to leave its host, and that nobody can take. */
export const CANNOT_LEAVE = 'CannotLeave';

/** Ways to break the engine that the random tests must notice. */
export type EngineFlaw =
  | 'NoProof'
  | 'NoQuorum'
  | 'WaitWithoutQuorum'
  | 'TimingsOfPolicy'
  | 'GuardedListIgnored'
  | 'JobsUncounted'
  | 'PartlyRevoked'
  | 'RevokedUnacknowledged'
  | 'RevokedIsDead';

export function isSameLife(a: Life | undefined, b: Life | undefined): boolean {
  return a !== undefined && b !== undefined && a.bootID === b.bootID && a.term === b.term;
}

/** Its host was lost before it was known in which boot it has the guest: once that is back, it is told of it as if nothing had been said. */
export function waitsUntold({ state, placement }: GuestRecord): boolean {
  return isSameLife(placement, NO_LIFE) && state !== 'Recovering' && state !== 'Error';
}
