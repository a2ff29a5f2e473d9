/**
 * The Kubernetes API as hosts and managers meet it: objects with versions, compare-and-swap, consistent reads, and a way there and back that may be
 * cut, slow, or lose the answer after the deed.
 */
import type {
  Fence,
  GuestRecord,
  GuestReport,
  HostRecord,
  Life,
  Revocation,
  Shutdown,
} from '../../cluster/ha/model.ts';
import type { HostLease } from '../../cluster/ha/observer.ts';
import type { GuestSpec, HostSpec, PolicySpec } from './scenario.ts';
import type { Schedule } from './schedule.ts';

/** A guest as users and HA write it. */
export type StoredGuest = { spec: GuestSpec; uid: string; record: GuestRecord };
/** What a host's agent last said. */
export type HostStatement = {
  life: Life;
  guests: ReadonlyMap<string, GuestReport>;
  ready: boolean;
  shutdown?: Shutdown;
  /** The latest control plane the agent had seen when it said so. */
  incarnation: number;
};
export type StoredFence = Fence & { executor: string; devices: readonly string[]; life: Life };
export type StoredRevocation = Revocation & { executor: string; life: Life };
export type Leader = { holder: string; renewals: number };

/** Values are replaced, never changed. */
export type Versioned<T> = { version: number; value: T };

export type Objects = {
  leases: Map<string, Versioned<HostLease>>;
  hosts: Map<string, Versioned<HostRecord>>;
  hostSpecs: Map<string, HostSpec>;
  statements: Map<string, Versioned<HostStatement>>;
  guests: Map<string, Versioned<StoredGuest>>;
  fences: Map<string, Versioned<StoredFence>>;
  revocations: Map<string, Versioned<StoredRevocation>>;
  leader: Versioned<Leader> | undefined;
  policy: PolicySpec;
  /** Hosts the leader sees silent: their neighbours ask them. */
  silent: readonly string[];
  /** Raised when the store is restored from an older copy; agents remember the highest they have seen. */
  incarnation: number;
  /** The incarnation that a restore has made; absent while there was none. */
  restored?: number;
};

/** What a backup holds. What people have said of hosts, policy, groups and rules is taken to be said again. */
export type Backup = Pick<
  Objects,
  'leases' | 'hosts' | 'statements' | 'guests' | 'fences' | 'revocations' | 'leader'
>;

export type Answer<T> = { ok: true; value: T } | { ok: false };

export type Caller = {
  /** Host the caller lives on. */
  host: string;
  /** Runs when the caller's process can take it: later when it is paused, never when it has died. */
  deliver(run: () => void): void;
  /** This caller alone cannot reach the API. */
  isDown?(): boolean;
  /** Its process ends here and now, and is started again. */
  crash?(): void;
};

/** `crashAfter`: so many writes from now on, the last of which its caller does not outlive. */
export type Faults = {
  down: boolean;
  slowUntil: number;
  losesUntil: number;
  crashAfter?: number | undefined;
};

export type Api = {
  readonly objects: Objects;
  /** Does `deed` at the API and brings its value back, or no answer within the time limit; then the deed may have been done or may still be. */
  call<T>(
    caller: Caller,
    timeoutMs: number,
    deed: (objects: Objects) => T,
    answer: (answer: Answer<T>) => void,
  ): void;
  /** Next version of an object. */
  version(): number;
  onGuest(listener: (id: string, guest: StoredGuest | undefined) => void): void;
  putGuest(id: string, guest: StoredGuest): void;
  deleteGuest(id: string): void;
  onHost(listener: (name: string, before: HostRecord | undefined, after: HostRecord) => void): void;
  putHost(name: string, record: HostRecord): void;
  backUp(): Backup;
  /** The server is stopped and comes back with an older state, which says that it is a later one: calls under way are cut off. */
  restore(backup: Backup): void;
  faults: Faults;
};

/** More moves of a guest than there have ever been since a backup. */
const MOVES_AT_MOST = 1_000;
const LATENCY_MS = 4;
const SLOW_MS = 2_500;

export function createApi(
  schedule: Schedule,
  reaches: (host: string, way: 'there' | 'back') => boolean,
  policy: PolicySpec,
): Api {
  let versions = 0;
  const guestListeners: ((id: string, guest: StoredGuest | undefined) => void)[] = [];
  const hostListeners: ((name: string, before: HostRecord | undefined, after: HostRecord) => void)[] = [];
  const objects: Objects = {
    leases: new Map(),
    hosts: new Map(),
    hostSpecs: new Map(),
    statements: new Map(),
    guests: new Map(),
    fences: new Map(),
    revocations: new Map(),
    leader: undefined,
    policy,
    silent: [],
    incarnation: 1,
  };
  const faults: Faults = { down: false, slowUntil: 0, losesUntil: 0 };
  /** The write that was to be its caller's last has just been done. */
  const isLastOf = (caller: Caller): boolean => {
    if (faults.crashAfter === undefined || caller.crash === undefined) return false;
    faults.crashAfter -= 1;
    if (faults.crashAfter > 0) return false;
    faults.crashAfter = undefined;
    return true;
  };
  const latency = () => (schedule.now() < faults.slowUntil ? SLOW_MS : LATENCY_MS);
  const version = () => {
    versions += 1;
    return versions;
  };

  return {
    objects,
    faults,
    version,
    call: (caller, timeoutMs, deed, answer) => {
      let isOver = false;
      const end = <T>(given: Answer<T>, to: (answer: Answer<T>) => void) => {
        if (isOver) return;
        isOver = true;
        caller.deliver(() => to(given));
      };
      const sentTo = objects.incarnation;
      schedule.after(timeoutMs, () => end({ ok: false }, answer));
      if (!reaches(caller.host, 'there') || caller.isDown?.() === true) return;
      schedule.after(latency(), () => {
        if (faults.down || sentTo !== objects.incarnation) return;
        const before = versions;
        const value = deed(objects);
        if (versions !== before && isLastOf(caller)) {
          caller.crash?.();
          return;
        }
        if (schedule.now() < faults.losesUntil) return;
        schedule.after(latency(), () => {
          const isUp = !faults.down && sentTo === objects.incarnation;
          if (reaches(caller.host, 'back') && isUp) end({ ok: true, value }, answer);
        });
      });
    },
    onGuest: (listener) => guestListeners.push(listener),
    putGuest: (id, value) => {
      objects.guests.set(id, { version: version(), value });
      for (const listener of guestListeners) listener(id, value);
    },
    deleteGuest: (id) => {
      objects.guests.delete(id);
      for (const listener of guestListeners) listener(id, undefined);
    },
    onHost: (listener) => hostListeners.push(listener),
    putHost: (name, value) => {
      const before = objects.hosts.get(name)?.value;
      objects.hosts.set(name, { version: version(), value });
      for (const listener of hostListeners) listener(name, before, value);
    },
    backUp: () => copyOf(objects),
    restore: (backup) => {
      const gone = [...objects.guests.keys()].filter((id) => !backup.guests.has(id));
      const incarnation = objects.incarnation + 1;
      Object.assign(objects, copyOf(backup), { incarnation, restored: incarnation });
      for (const [id, { version: kept, value }] of objects.guests) {
        // Moves are Migrations, whose names nobody gives twice.
        const moves = (value.record.moves ?? 0) + MOVES_AT_MOST;
        objects.guests.set(id, { version: kept, value: { ...value, record: { ...value.record, moves } } });
      }
      for (const listener of guestListeners) {
        for (const id of gone) listener(id, undefined);
        for (const [id, { value }] of objects.guests) listener(id, value);
      }
    },
  };
}

/** Values are never changed in place, so the maps alone are copied. */
function copyOf({ leases, hosts, statements, guests, fences, revocations, leader }: Backup): Backup {
  return {
    leases: new Map(leases),
    hosts: new Map(hosts),
    statements: new Map(statements),
    guests: new Map(guests),
    fences: new Map(fences),
    revocations: new Map(revocations),
    leader,
  };
}
