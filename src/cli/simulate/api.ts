/**
 * The Kubernetes API as hosts and managers meet it: objects with versions, compare-and-swap, consistent reads, and a way there and back that may be
 * cut, slow, or lose the answer after the deed.
 */
import type { Fence, GuestRecord, GuestReport, HostRecord, Life, Shutdown } from '../../cluster/ha/model.ts';
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
};
export type StoredFence = Fence & { executor: string; devices: readonly string[]; life: Life };
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
  leader: Versioned<Leader> | undefined;
  policy: PolicySpec;
  /** Hosts the leader sees silent: their neighbours ask them. */
  silent: readonly string[];
};

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
  faults: Faults;
};

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
    leader: undefined,
    policy,
    silent: [],
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
      schedule.after(timeoutMs, () => end({ ok: false }, answer));
      if (!reaches(caller.host, 'there') || caller.isDown?.() === true) return;
      schedule.after(latency(), () => {
        if (faults.down) return;
        const before = versions;
        const value = deed(objects);
        if (versions !== before && isLastOf(caller)) {
          caller.crash?.();
          return;
        }
        if (schedule.now() < faults.losesUntil) return;
        schedule.after(latency(), () => {
          if (reaches(caller.host, 'back') && !faults.down) end({ ok: true, value }, answer);
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
  };
}
