/** What is known of one guest during one pass: gathered once, filled in by the steps, read by the status. */
import type { Stored } from '../../api/meta.ts';
import type { Outcome } from '../../base/outcome.ts';
import type {
  GuestHandle,
  GuestObservation,
  HypervisorFacts,
  PendingChange,
} from '../../drivers/hypervisor/contract.ts';
import type { NicAddresses, NicAttachment, NicWish } from '../../drivers/network/contract.ts';
import type { VolumeAttachment } from '../../drivers/storage/contract.ts';
import type { GuestRecord } from '../record.ts';
import type { Ahead } from './ahead.ts';
import type { GuestKind, GuestObject, VolumePlan } from './kind.ts';

/** Why a step could not go on. */
export type Blocked = Exclude<Outcome, { type: 'done' }>;

/** How far a step came in this pass. `Skipped`: there was no need for it. */
export type StepState = { type: 'Skipped' } | { type: 'Ready' } | { type: 'Blocked'; outcome: Blocked };

/** How far a start has come that waits for other guests. `GivenUp`: started all the same. */
export type DependencyState = StepState | { type: 'GivenUp'; message: string };

/** What this agent knows of a guest between passes; all of it can be found out again. */
export type GuestMemory = {
  volumes: Map<string, { attachment: VolumeAttachment; sizeBytes: number }>;
  /** By name: how many percent of a volume are made that comes from an archive. */
  percents: Map<string, number>;
  nics: Map<string, NicAttachment>;
  addresses: readonly NicAddresses[];
  /** How often addresses were asked for in vain since the guest started. */
  addressTries: number;
  /** The request the running guest was last compared with, as JSON. */
  appliedRequest?: string;
  pendingChanges: readonly PendingChange[];
  /** Wall clock: when a guest that its storage has stopped was seen so first, or was last let go on. */
  storageTriedAt?: number;
  /** Of hosts that run what it depends on: the renewal that was there when they were first asked about. */
  leasesSeen: Map<string, string>;
  /** Wall clock: since when it is to be started, as far as others are waited for. */
  waitsSince?: number;
  /** Volumes that are made before the guest is written down. */
  ahead?: Ahead;
  /** It is in the inventory before it is written down. */
  announced?: Announced;
  /** Taken for a record that is not written yet. */
  idBase?: number;
};

export type Announced = {
  /** As it will be written down. */
  record: GuestRecord;
  /** Off. */
  observation: GuestObservation;
  /** Resolves when the acknowledged inventory has it. */
  listed: Promise<void>;
  /** Takes it out of the inventory, unless it has been written down. */
  forget(): void;
};

/** Nothing is known yet. */
export function emptyMemory(): GuestMemory {
  return {
    volumes: new Map(),
    percents: new Map(),
    nics: new Map(),
    addresses: [],
    addressTries: 0,
    pendingChanges: [],
    leasesSeen: new Map(),
  };
}

/** The guest is off: what it plugged into is looked at again before the next start. */
export function forgetRun(memory: GuestMemory): void {
  memory.volumes.clear();
  memory.nics.clear();
  memory.addresses = [];
  memory.addressTries = 0;
  memory.pendingChanges = [];
  delete memory.appliedRequest;
  delete memory.storageTriedAt;
}

/** It stands still until its storage can be written again. */
export function isStoppedByStorage(observation: GuestObservation): boolean {
  return observation.state === 'Paused' && observation.storageFailed === true;
}

/** What to tell people of a guest that stands still. */
export function pausedMessage(observation: GuestObservation): string {
  return isStoppedByStorage(observation)
    ? 'the guest stands still because a disk could not be read or written: make room in its pool, or bring its storage back; it then goes on by itself'
    : 'the guest is paused: look at its disks and its pool, then restart it';
}

/** What the steps share whatever the kind. */
export type GuestScope = {
  readonly object: Stored<GuestObject>;
  readonly namespace: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly handle: GuestHandle;
  readonly host: string;
  /** Wall clock at the start of the pass, milliseconds. */
  readonly now: number;
  readonly signal: AbortSignal;
  readonly volumePlans: readonly VolumePlan[];
  readonly nicWishes: readonly NicWish[];
  /** Pools of the guest whose volumes are neither shared nor can be copied to another host. */
  readonly immovablePools: readonly string[];
  /** Names of snapshots that would be lost if it moved. */
  readonly stayingSnapshots: readonly string[];
  /** `done`: no host was given the guest later than the API says, or it is certain without asking. */
  readonly elsewhere: Outcome;
  /** The restore of the API after which that was asked. */
  readonly takenAfter: number | undefined;
  /** The host goes down: the guest is to be off, whatever was asked of it. */
  readonly hostEnds: boolean;
  readonly memory: GuestMemory;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;

  observation: GuestObservation;
  record: GuestRecord | undefined;
  admission: StepState;
  /** Asked when it is to be started. */
  dependencies: DependencyState;
  volumes: StepState;
  networks: StepState;
  /** Live changes. */
  changes: StepState;
  power: PowerState;
};

/** With what belongs to one kind. */
export type Scope<T extends GuestObject, Request, Hardware> = GuestScope & {
  readonly kind: GuestKind<T, Request, Hardware>;
  readonly object: Stored<T>;
  readonly facts: HypervisorFacts;
};

/** What the power step found last. */
export type PowerState =
  | { type: 'Unknown' }
  | { type: 'Resting' }
  | { type: 'Stopping'; reason: 'ShuttingDown' | 'ShutdownTimedOut'; restart: boolean }
  | { type: 'BackOff' }
  | { type: 'Blocked'; outcome: Blocked };

/** Marks a step by the outcome it came to. */
export function stateOf(outcome: Outcome): StepState {
  return outcome.type === 'done' ? { type: 'Ready' } : { type: 'Blocked', outcome };
}
