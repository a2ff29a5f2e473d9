/** The keeper of a simulated host: the real rules of `keeper/deadline`, with the wire and the processes of the model around them. */
import type { HaTimings } from '../../api/haTimings.ts';
import { isSameLife, type Life } from '../../cluster/ha/model.ts';
import type { HostLease } from '../../cluster/ha/observer.ts';
import { createDeadline, type Deadline, type PeerAnswer } from '../../keeper/deadline.ts';
import { wishOf } from '../../keeper/watchdog.ts';
import type { Caller } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './host.ts';

export type Keeper = {
  life(): Life;
  /** Guests may start or resume now. */
  isOpen(): boolean;
  /** The Lease lists these from its next renewal on; `whenListed` is called when that is acknowledged. */
  guard(key: string, whenListed: () => void): void;
  release(key: string): void;
  isGuarded(key: string): boolean;
  answer(asker: string): PeerAnswer | undefined;
  /** Its last word on when guests are dead at the latest, for the invariants. */
  deadAt(): number;
};

const CHECK_MS = 250;
/** A host heard so recently is named in the Lease. */
const HEARD_MS = 2_500;

export function createKeeper(
  host: SimHost,
  cluster: Cluster,
  { bootID, term: firstTerm }: { bootID: string; term: number | undefined },
): Keeper {
  const { api, random } = cluster;
  const mono = () => host.mono();
  /** The policy as this host has last read it: one that is cut off does not hear of a change. */
  let policy = cluster.timings();
  const timings = (): HaTimings => policy;
  /** What the device is set to: as the real keeper asks, as far as the device can. */
  const watchdogMs = () => Math.min(host.watchdogMs ?? 0, wishOf(timings()).asked);
  /** As the real keeper states it: fed for the last time it fires at the end of the kill, and once more if its keeper is killed just before. */
  const stated = (armed = false) => {
    const { selfFenceAfter, killTime, freezeAfter, excuseAge } = timings();
    const watchdogTimeout = armed ? selfFenceAfter + killTime + watchdogMs() : 0;
    return { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout };
  };
  const mayFeed = () => guarded.size === 0 || deadline.mayFeed(mono(), watchdogMs());
  /** With the first guest that is listed, before the Lease says so. */
  const arm = (): boolean => {
    if (host.watchdogMs === undefined) return false;
    if (!host.isWatched() && mayFeed()) host.feed(watchdogMs());
    return host.isWatched();
  };
  const caller: Caller = {
    host: host.name,
    deliver: (run) => host.deliver(() => (host.keeper() === keeper ? run() : undefined)),
  };
  const guarded = new Set<string>();
  /** Those that are let go: killed at the deadline all the same, until an acknowledged Lease lists them no more. */
  const leaving = new Set<string>();
  let waiting: { key: string; whenListed: () => void }[] = [];
  const heard = new Map<string, number>();
  let deadline: Deadline = createDeadline(mono(), stated(), timings(), cluster.flaw.keeper);
  let term = firstTerm;
  let version: number | undefined = firstTerm === undefined ? undefined : 0;
  let sequence = 0;
  let acknowledgedAt = mono();
  let phase: 'Open' | 'Frozen' | 'Killing' = 'Open';
  let isRenewing = false;
  let isAsking = false;

  const life = (): Life => ({ bootID, term: term ?? 0 });
  /** A killed keeper does nothing any more, though its timers were set. */
  const after = (ms: number, run: () => void) =>
    host.after(ms, () => (host.keeper() === keeper ? run() : undefined));

  /** Learns what stands in the API: at boot, after a conflict, after an answer that never came. */
  const read = (then: () => void): void => {
    api.call(
      caller,
      timings().renewInterval,
      ({ leases }) => leases.get(host.name),
      (answer) => {
        if (answer.ok) {
          const stored = answer.value;
          version = stored?.version ?? 0;
          if (term === undefined) {
            term = (stored?.value.term ?? 0) + 1;
            host.lifeChanged();
          }
        }
        then();
      },
    );
  };

  const renew = (): void => {
    if (phase === 'Killing' || isRenewing) return;
    isRenewing = true;
    const again = (ms: number) =>
      after(ms, () => {
        isRenewing = false;
        renew();
      });
    if (version === undefined || term === undefined) {
      read(() => again(version === undefined ? timings().renewInterval / 2 : 0));
      return;
    }
    const sentAt = mono();
    const sentTerm = term;
    const known = version;
    sequence += 1;
    const armed = guarded.size > 0 && arm();
    const timingsNow = stated(armed);
    deadline.stating(timingsNow);
    const listed = new Set([...guarded].filter((key) => !leaving.has(key)));
    const lease: Omit<HostLease, 'version'> = {
      host: host.name,
      bootID,
      term: sentTerm,
      sequence,
      sentAt,
      acknowledgedAt,
      armed,
      pausable: false,
      timings: timingsNow,
      guarded: listed,
      hears: [...heard].filter(([, at]) => mono() - at < HEARD_MS).map(([name]) => name),
    };
    const { renewInterval } = timings();
    api.call(
      caller,
      renewInterval,
      (objects) => {
        const stored = objects.leases.get(host.name);
        if ((stored?.version ?? 0) !== known) return { version: undefined, silent: objects.silent };
        const next = api.version();
        objects.leases.set(host.name, { version: next, value: { ...lease, version: next } });
        cluster.renewed(host.name);
        return { version: next, silent: objects.silent };
      },
      (answer) => {
        if (phase === 'Killing' || term !== sentTerm) {
          isRenewing = false;
          return;
        }
        const isLate = mono() - sentAt > renewInterval;
        if (!answer.ok || answer.value.version === undefined || isLate) {
          version = undefined;
          again(answer.ok ? 0 : Math.max(0, renewInterval - (mono() - sentAt)));
          return;
        }
        version = answer.value.version;
        policy = cluster.timings();
        acknowledgedAt = sentAt;
        deadline.acknowledged(sentAt);
        if (!armed) host.disarm();
        for (const key of [...leaving].filter((one) => !listed.has(one))) {
          leaving.delete(key);
          guarded.delete(key);
        }
        const served = waiting.filter(({ key }) => listed.has(key));
        waiting = waiting.filter(({ key }) => !listed.has(key));
        for (const { whenListed } of served) whenListed();
        for (const name of answer.value.silent) ping(name);
        if (phase === 'Frozen') thaw();
        // A guest waits to be listed: the next renewal need not wait for its turn.
        again(waiting.length > 0 ? 50 : Math.max(0, renewInterval - (mono() - sentAt)));
      },
    );
  };

  /** Frozen guests run on only if no incident was opened meanwhile: renewed first, read after. */
  const thaw = (): void => {
    const present = life();
    api.call(
      caller,
      timings().renewInterval,
      ({ hosts }) => hosts.get(host.name)?.value,
      (answer) => {
        if (!answer.ok || phase !== 'Frozen' || !isSameLife(present, life())) return;
        const record = answer.value;
        if (record?.incident !== undefined && isSameLife(record.incident, present)) {
          kill();
          return;
        }
        if (mono() >= deadline.freezeAt()) return;
        phase = 'Open';
        host.freeze(false);
      },
    );
  };

  const ping = (name: string): void => {
    if (name === host.name) return;
    cluster.ask(host.name, name, (answered) => {
      if (answered !== undefined) heard.set(name, mono());
    });
  };

  const ask = (): void => {
    if (isAsking || !deadline.mustAsk(mono()) || phase === 'Killing') return;
    isAsking = true;
    const startedAt = mono();
    const answers: PeerAnswer[] = [];
    let open = true;
    for (const [name, votes] of cluster.votes()) {
      if (name === host.name || votes === 0) continue;
      cluster.ask(host.name, name, (given) => {
        if (open && given !== undefined) answers.push({ votes, ageMs: given.ageMs });
      });
    }
    const voters = () => {
      const all = cluster.votes();
      return {
        self: all.get(host.name) ?? 0,
        total: [...all.values()].reduce((sum, votes) => sum + votes, 0),
      };
    };
    after(timings().answerTimeout, () => {
      open = false;
      deadline.asked(startedAt, [{ answers, ...voters() }]);
    });
    after(timings().askInterval, () => {
      isAsking = false;
    });
  };

  const kill = (): void => {
    if (phase === 'Killing') return;
    phase = 'Killing';
    host.freeze(true);
    after(50 + random.float() * (timings().killTime - 500), () => {
      host.killGuarded([...guarded]);
      guarded.clear();
      leaving.clear();
      waiting = [];
      term = (term ?? 0) + 1;
      version = undefined;
      phase = 'Open';
      host.freeze(false);
      acknowledgedAt = mono();
      deadline = createDeadline(mono(), stated(), timings(), cluster.flaw.keeper);
      host.lifeChanged();
      isRenewing = false;
      renew();
    });
  };

  const check = (): void => {
    const now = mono();
    if (guarded.size > 0 || phase !== 'Open') {
      if (phase !== 'Killing' && now >= deadline.killAt()) kill();
      else if (phase === 'Open' && now >= deadline.freezeAt()) {
        phase = 'Frozen';
        host.freeze(true);
      }
    }
    if (host.isWatched() && mayFeed()) host.feed(watchdogMs());
    ask();
    after(CHECK_MS, check);
  };

  after(0, () => {
    check();
    renew();
  });
  const keeper: Keeper = {
    life,
    isOpen: () =>
      phase === 'Open' && term !== undefined && mono() < Math.min(deadline.freezeAt(), deadline.killAt()),
    guard: (key, whenListed) => {
      guarded.add(key);
      leaving.delete(key);
      waiting.push({ key, whenListed });
    },
    release: (key) => {
      if (guarded.has(key)) leaving.add(key);
      waiting = waiting.filter((one) => one.key !== key);
    },
    isGuarded: (key) => guarded.has(key) && !leaving.has(key),
    answer: (asker) => {
      heard.set(asker, mono());
      return { votes: 0, ageMs: deadline.age(mono()) };
    },
    deadAt: () => deadline.killAt() + timings().killTime,
  };
  return keeper;
}
