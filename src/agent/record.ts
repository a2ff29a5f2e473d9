/**
 * What this host remembers of a guest: written and fsynced before the first side effect, loaded when the agent starts, gone only when
 * nothing of the guest is left here. It outlives the API object's status and the agent.
 */
import type { CopyBegun, DiskCopy, GuestEnd } from '../drivers/hypervisor/contract.ts';

export type RecordedVolume = {
  /** Name of the disk or of the root file system in the spec. */
  name: string;
  pool: string;
  /** Name of the volume in its pool. */
  id: string;
  reclaim: 'Delete' | 'Retain';
};

export type RecordedNic = { name: string; mac: string };

/** A stop under way. Times are wall-clock milliseconds, as they must survive the agent. */
export type StopUnderWay = { since: number; deadline: number; force: boolean; restart: boolean };

/** Starts that failed or runs that crashed in a row; `at` (of the last) and `retryAt` are wall-clock milliseconds. */
export type StartFailure = { count: number; at: number; retryAt: number; reason: string; message: string };

/** The operation that was accepted last; a newer one supersedes it. */
export type AcceptedOperation = {
  uid: string;
  name: string;
  /** RFC 3339, of the Operation object. */
  createdAt: string;
  /** Wall-clock milliseconds. */
  acceptedAt: number;
};

/** Everything about running that must survive the agent: what was asked for, what is under way, how the last run ended. */
export type RunState = {
  /** Counts only under RerunOnFailure and Manual. `force`: without asking the guest. */
  request?: { action: 'Start' | 'Stop'; by: string; at: string; force?: boolean };
  operation?: AcceptedOperation;
  restartedFor?: string;
  /** The pending changes an automatic restart was last made for, so that it is made once. */
  restartedForChanges?: string;
  /** Set before the driver is told to start, cleared when the end of the run has been recorded. */
  live?: { since: number; restart?: true };
  stop?: StopUnderWay;
  /** To be started again once it is off, whatever the strategy's request says. */
  restart?: boolean;
  /** Name of the kept memory that its next start goes on from: never twice, as its disks go on with it. */
  memory?: string;
  ended?: { how: GuestEnd; at: string };
  failure?: StartFailure;
};

/** The Migration that a move belongs to. */
export type MoveName = { uid: string; namespace: string; name: string };

/** The guest is coming here: nothing of it runs before its placement names this host with `epoch`. */
export type Incoming = {
  migration: MoveName;
  type: 'Live' | 'Offline';
  from: string;
  /** The epoch it will have here: one more than on the source. */
  epoch: number;
  /** What the source said of it is in the record. */
  described?: true;
  /** Names of volumes that were made here for it: they go when it does not come. */
  made: readonly string[];
  /** Its memory may come after it. */
  postCopy?: true;
  /** The gate was about to open, or a run of it here has ended: the guest may have run here since, and is not given back. */
  arriving?: true;
  /** It is placed here, and an ordinary guest but for this: a first start that fails gives it back. */
  home?: true;
  /** Why it cannot come; it goes when the source has taken note. */
  failed?: { reason: string; message: string };
};

/** How a move that did not come about ended; the guest stays. */
export type GivenUp = { phase: 'Failed' | 'Cancelled'; reason: string; message: string };

/** The guest is leaving. Until `handOver` is Done it is this host's. */
export type Outgoing = {
  migration: MoveName;
  type: 'Live' | 'Offline';
  to: string;
  /** The epoch it has here; the hand-over makes it one more. */
  epoch: number;
  /** Wall clock, milliseconds. */
  since: number;
  /** Pools of which the volumes go to another pool, by name: what of them is shared does not stay either. */
  storage?: Readonly<Record<string, string>>;
  /** Offline: it is to be off here until the move is over. `wasOn`: it ran before that. */
  held?: { wasOn: boolean };
  /** Handed over before all its memory had gone: that follows. */
  postCopy?: true;
  /** How long it stood still, milliseconds, once it is known before the end. */
  stoodStillMs?: number;
  /** Since when the guest stands still, or is off, for the hand-over; wall clock, milliseconds. */
  stillSince?: number;
  /** Asked: the new placement may be in the API. Done: it is. Written before the request, and after its answer. */
  handOver?: 'Asked' | 'Done';
  /** Asked is written down ahead of the request, while the guest still leaves. An agent that finds it after a crash takes it for asked. */
  ahead?: true;
  /** Highest incarnation of the control plane that this host had seen when it first asked: one restored since may have forgotten the answer. */
  incarnation?: number;
  /** Decided, and perhaps not undone yet. */
  givenUp?: GivenUp;
};

/** The object that work on a guest is done for. */
export type JobName = {
  kind: 'Snapshot' | 'Rollback' | 'Backup' | 'Restore';
  uid: string;
  namespace: string;
  name: string;
};

/**
 * Work that must not overlap with any other on this guest: in the record before its first side effect, gone after its last. Moves are a lock
 * too, by `incoming` and `outgoing`.
 */
export type GuestLock = {
  operation: 'Snapshot' | 'Rollback' | 'Backup' | 'Restore';
  by: JobName;
  /** Wall clock, milliseconds. */
  since: number;
  /** Name of the snapshot in the pools, of the archive of a Backup, of what a Restore prepares. */
  key: string;
  /** Backup: the pool of its archive. */
  pool?: string;
  /** Snapshot, Backup: it may stand still for it, and file systems inside it may be frozen. */
  pauses?: true;
  freezes?: true;
  /** Snapshot: its memory is kept too. */
  memory?: true;
  /** Restore: names of the disks. */
  disks?: readonly string[];
  /** Rollback, Backup, Restore: the guest is to be off until it is over. `wasOn`: it ran before that. */
  held?: { wasOn: boolean };
  /** Backup by Stop: what is copied from the next start of the guest on, and when (wall clock) that has begun or why it has not. */
  copies?: {
    disks: readonly DiskCopy[];
    begunAt?: number;
    begun?: readonly CopyBegun[];
    failed?: string;
  };
  /** Rollback, Restore: volumes may have changed already; from here on it can only be finished. */
  changing?: true;
  /** The guest was placed on another host since: its disks are that one's, and what was begun with them here is finished by nobody. */
  away?: true;
};

/** A snapshot of this guest that stands, with all its volumes. */
export type RecordedSnapshot = {
  /** Of the Snapshot object. */
  uid: string;
  name: string;
  /** Name of the snapshot in the pools. */
  key: string;
  /** Wall clock, milliseconds. */
  takenAt: number;
  consistency: 'Crash' | 'Filesystem';
  stillMs: number;
  /** Size of the memory that is kept with it. */
  memoryBytes?: number;
  /** uid of the snapshot the guest came from. */
  parent?: string;
  volumes: readonly { name: string; pool: string; id: string; sizeBytes: number }[];
};

export type GuestRecord = {
  version: 1;
  kind: 'VirtualMachine' | 'Container';
  namespace: string;
  name: string;
  /** metadata.uid of the object it was made for. */
  uid: string;
  uuid: string;
  id: string;
  epoch: number;
  /** First host id of an unprivileged container's 65,536. */
  idBase?: number;
  /** What the driver pinned at the first start; only the driver's kind reads it. */
  hardware?: unknown;
  volumes: readonly RecordedVolume[];
  nics: readonly RecordedNic[];
  run: RunState;
  /** By which restore of the API it was last made sure that no other host was given the guest later; absent: it was never restored. */
  takenAfter?: number;
  /** Placed on another host since: kept for its volumes, never started here while this is set. */
  released?: boolean;
  /** Its object was gone, or another of its name was there, when this host looked last: that one may run on another host. */
  orphaned?: boolean;
  /** A move under way; never both. */
  incoming?: Incoming;
  outgoing?: Outgoing;
  /** Other work under way. */
  lock?: GuestLock;
  snapshots?: readonly RecordedSnapshot[];
  /** uid of the snapshot that what the guest's disks hold now came from. */
  head?: string;
  /** uid of the Rollback that was finished last. */
  rolledBack?: string;
  /** uid of the Restore that was finished last. */
  restored?: string;
  /** uid of the Backup that the guest was shut down for last: the same one never does it again. */
  stoppedFor?: string;
  /** Its agent was asked to freeze and has not answered. */
  thawOwed?: true;
};

/** A record read back from disk, or undefined when it is not one of ours. */
export function parseRecord(text: string, id: string): GuestRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<GuestRecord>;
    const known =
      record.version === 1 &&
      (record.kind === 'VirtualMachine' || record.kind === 'Container') &&
      record.id === id &&
      typeof record.uuid === 'string' &&
      typeof record.uid === 'string' &&
      typeof record.name === 'string' &&
      typeof record.namespace === 'string' &&
      typeof record.epoch === 'number' &&
      Array.isArray(record.volumes) &&
      Array.isArray(record.nics) &&
      typeof record.run === 'object';
    return known ? (record as GuestRecord) : undefined;
  } catch {
    return undefined;
  }
}
