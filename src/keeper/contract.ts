/** What a keeper needs of the world, and what it offers to the agent: functions that real hosts and tests make in their own ways. */
import type { HaTimings } from '../api/haTimings.ts';
import type { KeeperStatement } from '../api/keeperLease.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { DeadlineState } from './deadline.ts';
import type { WatchdogDevice, WatchdogState } from './watchdog.ts';

/** One boot of a host between two self-fences. */
export type Life = { bootID: string; term: number };

/** A table of votes as the ClusterPolicy has it, with its version. */
export type VoteTable = { version: number; votes: Readonly<Record<string, number>> };

/** What a Lease says, and beside it the control group of each guarded guest, for a keeper that has lost its memory. */
export type StoredLease = {
  version: string;
  statement?: KeeperStatement;
  groups: Readonly<Record<string, string>>;
};

/** What outlives a keeper's process within one boot: where a restart takes it up. */
export type KeeperMemory = Life & {
  /** `<uid>@<epoch>` and the id of the guest's control group. */
  guarded: readonly (readonly [key: string, id: string])[];
  deadline: DeadlineState;
  selfFencedAt?: string;
};

export type KeeperPorts = {
  /** `monotonic` counts from the boot of the host, suspension included: times of one boot are compared across processes. */
  clock: Clock;
  log: Log;
  lease: {
    /** A consistent read; undefined: there is none yet. */
    read(timeoutMs: number): Promise<StoredLease | undefined>;
    /** Compare-and-swap on `before`; resolves with the new version. */
    write(
      statement: KeeperStatement,
      groups: Readonly<Record<string, string>>,
      before: string | undefined,
      timeoutMs: number,
    ): Promise<string>;
  };
  /** A consistent read of the life that an incident is open for; undefined: none is. */
  incident(timeoutMs: number): Promise<Life | undefined>;
  /** Times and votes as the cluster has them now. Rejects when that cannot be read. */
  policy(timeoutMs: number): Promise<{ timings: HaTimings; table?: VoteTable }>;
  /** How long ago that host's last acknowledged renewal was sent, if it has history enough to say so. Rejects when it does not answer. */
  ask(host: string, timeoutMs: number): Promise<{ ageMs: number | undefined }>;
  /** All of a guest: its own processes and the programs that work on its volumes. */
  guests: {
    /** From now on programs can be started for it, in a control group of this term that a kill takes away. */
    admit(id: string, term: number): Promise<void>;
    /** Takes that group away, with whatever is in it. */
    dismiss(id: string, term: number): Promise<void>;
    freeze(id: string): Promise<void>;
    thaw(id: string): Promise<void>;
    /**
     * Resolves when no process of it is left, and nothing it wrote to shared storage is on its way. What joins its own control group later stands
     * still until `thaw`; a program of a term before finds no group to join, and is not started.
     */
    kill(id: string): Promise<void>;
  };
  /** Absent: the host is told to use none. */
  watchdog?: WatchdogDevice;
  /** Resets the host at once, with nothing written out (sysrq b). Absent: the host is told not to. */
  reset?(): void;
  memory: { load(): Promise<KeeperMemory | undefined>; save(memory: KeeperMemory): Promise<void> };
};

export type KeeperState = {
  /** Undefined until the Lease has been read for the first time. */
  life?: Life;
  /** Guests with `ha` may start or resume now. */
  isOpen: boolean;
  guarded: readonly (readonly [key: string, id: string])[];
  watchdog: WatchdogState;
  /** When guests were last killed because nobody heard the host; RFC 3339. */
  selfFencedAt?: string;
};

export type Keeper = {
  state(): KeeperState;
  /**
   * The guest is killed at the deadline from now on. Resolves with the present life once an acknowledged Lease lists it, and programs can be
   * started for it; rejects when guests are killed meanwhile.
   */
  guard(key: string, id: string): Promise<Life>;
  /** It is gone, or left alone from now on: resolves once no Lease lists it. */
  release(key: string): Promise<void>;
  /** High availability is off: nothing is guarded any more, and the Lease lists nothing if that can still be said. */
  forget(): Promise<void>;
  /**
   * The host goes down and runs none of what was guarded: this life is over, and is renewed no more. Resolves with it once it is written down that
   * whatever starts later in this boot does so in another term. Rejects while something is guarded, or was never acknowledged.
   */
  retire(): Promise<Life>;
  /** Age of the last acknowledged renewal, for the host that asks. */
  answer(asker: string): number | undefined;
  /** Called after each change of `state`; returns the end of it. */
  listen(listener: () => void): () => void;
  /** Keeps until the signal; guests run on. */
  run(signal: AbortSignal): Promise<void>;
};
