/**
 * The keeper of a host: renews its Lease, asks peers while it cannot, freezes and kills the guests it guards when nobody hears the host. The
 * rules are those of `deadline.ts`; why they are safe stands in docs/safety.md. It starts nothing, ever.
 */
import { DEFAULT_HA_TIMINGS, type HaTimings } from '../api/haTimings.ts';
import type { KeeperStatement } from '../api/keeperLease.ts';
import { timeOf } from '../base/clock.ts';
import type { Keeper, KeeperMemory, KeeperPorts, KeeperState, Life, VoteTable } from './contract.ts';
import { createDeadline, type Deadline, resumeDeadline } from './deadline.ts';
import { createGuards, type Guards } from './guards.ts';
import { createKiller } from './kill.ts';
import { askPeers, type Hearing } from './questions.ts';
import { inRounds, waitUntil } from './rounds.ts';
import { CHECK_MS, createWatchdog, wishOf } from './watchdog.ts';

export type KeeperOptions = {
  host: string;
  bootID: string;
  /** The host may be paused from outside: its self-fence proves nothing. */
  pausable: boolean;
};

/** From one look at policy and watchdog to the next. */
const POLICY_MS = 5_000;
/** Guests that wait to be listed do not make renewals come faster than this. */
const LEAST_PAUSE_MS = 20;

export function createKeeper(ports: KeeperPorts, { host, bootID, pausable }: KeeperOptions): Keeper {
  const { clock, log } = ports;
  const now = () => clock.monotonic();
  let timings: HaTimings = DEFAULT_HA_TIMINGS;
  let table: VoteTable | undefined;
  /** By which the last acknowledged renewal said that this host counts. */
  let statedTable: VoteTable | undefined;
  let term: number | undefined;
  let selfFencedAt: string | undefined;
  let guards: Guards = createGuards([]);
  let deadline: Deadline = createDeadline(now(), stated(), timings);
  let phase: 'Open' | 'Frozen' | 'Killing' = 'Open';
  let isRetired = false;
  let version: string | undefined;
  /** In this term, and in this boot. */
  let hasRenewed = false;
  let hasHeld = false;
  /** What the last acknowledged renewal listed. */
  let isListing = false;
  let sequence = 0;
  let acknowledgedAt = now();
  let complaint = '';
  let wakeRenewal = () => {};
  const hearing: Hearing = new Map();
  const watchdog = createWatchdog(ports.watchdog, log);
  const killer = createKiller(ports, watchdog);
  const listeners = new Set<() => void>();

  function stated(armed = false) {
    const { selfFenceAfter, killTime, freezeAfter, excuseAge } = timings;
    // Fed for the last time it fires at the end of the kill; if its keeper dies just before, the kernel lets it run once more.
    const watchdogTimeout = armed ? selfFenceAfter + killTime + watchdog.timeoutMs() : 0;
    return { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout };
  }
  const mayFeed = (timeoutMs: number) => !guards.isBound() || deadline.mayFeed(now(), timeoutMs);
  const life = (): Life | undefined => (term === undefined ? undefined : { bootID, term });
  const isKilling = () => phase === 'Killing' || isRetired;
  const isOpen = () =>
    phase === 'Open' && !isRetired && hasRenewed && now() < Math.min(deadline.freezeAt(), deadline.killAt());
  const state = (): KeeperState => ({
    ...{ isOpen: isOpen(), guarded: guards.entries(), watchdog: watchdog.state() },
    ...(term === undefined ? {} : { life: { bootID, term } }),
    ...(selfFencedAt === undefined ? {} : { selfFencedAt }),
  });
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };

  const save = async (): Promise<void> => {
    if (term === undefined) return;
    const memory: KeeperMemory = {
      ...{ bootID, term, guarded: guards.entries(), deadline: deadline.state() },
      ...(selfFencedAt === undefined ? {} : { selfFencedAt }),
    };
    await ports.memory.save(memory);
  };

  /** A keeper before this one, of the same boot: its deadline holds on. */
  const remember = async (): Promise<void> => {
    const memory = await ports.memory.load().catch(() => undefined);
    if (memory?.bootID !== bootID) return;
    ({ term, selfFencedAt } = memory);
    guards = createGuards(memory.guarded);
    deadline = resumeDeadline(memory.deadline, timings);
    acknowledgedAt = memory.deadline.acknowledgedAt;
    hasRenewed = memory.deadline.historySince !== undefined;
    isListing = guards.isBound();
    hasHeld = true;
  };

  /** Learns what stands in the API: in the beginning, after a conflict, after an answer that never came. */
  const learn = async (): Promise<void> => {
    const stored = await ports.lease.read(timings.renewInterval);
    const before = stored?.statement;
    const isSameBoot = before?.bootID === bootID;
    if (before !== undefined && !isSameBoot && hasHeld)
      throw new Error(`another machine renews the Lease of ${host}: give one of them another name`);
    if (term === undefined && before !== undefined && isSameBoot) {
      // What the keeper before this one had in memory is lost: what it was last heard to say is taken up.
      const { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout } = before.timings;
      const then = { selfFenceAfter, killTime, freezeAfter, excuseAge, watchdogTimeout };
      term = before.term;
      hasHeld = true;
      guards = createGuards(Object.entries(stored?.groups ?? {}));
      deadline = createDeadline(before.acknowledgedAt, then, timings);
      // How long it was not heard is not known: the gate is shut until it is read whether an incident was opened.
      if (!guards.isBound()) phase = 'Frozen';
      await save();
    } else if (!isSameBoot) {
      // Nothing of this boot has been acknowledged yet: its term follows what was there before it.
      term = Math.max(term ?? 0, (before?.term ?? 0) + 1);
    }
    version = stored?.version;
  };

  const isDue = () => guards.isBound() && now() >= deadline.killAt();

  const renew = async (): Promise<void> => {
    if (version === undefined) await learn();
    // After a pause this may come first: what is to be dead does not renew.
    if (isKilling() || isDue()) return;
    const present = life();
    if (present === undefined) return;
    const sentAt = now();
    if (!guards.isBound()) deadline.begin(sentAt);
    const armed = guards.entries().length > 0 && watchdog.arm(wishOf(timings), mayFeed);
    const [listed, counting] = [guards.listing(), table];
    const times = stated(armed);
    sequence += 1;
    deadline.stating(times);
    const statement: KeeperStatement = {
      ...present,
      ...{ sequence, sentAt, acknowledgedAt, armed, pausable, timings: times },
      hears: [...hearing].flatMap(([name, at]) => (sentAt - at < HEARD_MS ? [name] : [])),
      votesVersion: counting?.version ?? 0,
      guarded: Object.keys(listed),
    };
    await save();
    if (isKilling() || isDue()) return;
    const next = await ports.lease.write(statement, listed, version, timings.renewInterval);
    if (isKilling() || term !== present.term) return;
    if (now() - sentAt > timings.renewInterval) throw new Error('the answer came too late');
    version = next;
    // With nothing to freeze the gate alone is shut: an incident may have been opened meanwhile all the same.
    const wasSilent = hasRenewed && now() - acknowledgedAt >= timings.freezeAfter;
    if (wasSilent && !isListing && phase === 'Open') phase = 'Frozen';
    isListing = statement.guarded.length > 0;
    acknowledgedAt = sentAt;
    hasRenewed = true;
    hasHeld = true;
    statedTable = counting;
    deadline.acknowledged(sentAt);
    if (!armed) watchdog.disarm();
    await save();
    if (phase === 'Frozen') await goOn(present);
    const fresh = guards.acknowledged(listed, present);
    if (phase === 'Open') for (const id of fresh) await ports.guests.thaw(id);
    tell();
  };

  /** Frozen guests run on only if no incident was opened meanwhile: renewed first, read after. */
  const goOn = async (present: Life): Promise<void> => {
    const incident = await ports.incident(timings.renewInterval);
    if (phase !== 'Frozen') return;
    if (incident?.bootID === present.bootID && incident.term === present.term) return kill();
    if (now() >= deadline.freezeAt()) return;
    phase = 'Open';
    log.info('the host is heard again: its guests run on');
    await Promise.all(guards.ids().map((id) => ports.guests.thaw(id)));
  };

  const freeze = async (): Promise<void> => {
    phase = 'Frozen';
    log.warn('nobody hears this host: guests with ha stand still');
    tell();
    await Promise.allSettled(guards.ids().map((id) => ports.guests.freeze(id)));
  };

  /** Until all of it is dead nothing else happens; then another term begins. */
  const kill = async (): Promise<void> => {
    if (phase === 'Killing') return;
    phase = 'Killing';
    const doomed = guards.ids();
    log.error('nobody has heard this host for too long: guests with ha are killed', { count: doomed.length });
    tell();
    await killer.kill(doomed, Math.max(now(), deadline.killAt()) + timings.killTime);
    guards.clear();
    watchdog.disarm();
    term = (term ?? 0) + 1;
    if (doomed.length > 0) selfFencedAt = timeOf(clock.now());
    deadline = createDeadline(now(), stated(), timings);
    acknowledgedAt = now();
    hasRenewed = false;
    version = undefined;
    sequence = 0;
    await save();
    phase = 'Open';
    tell();
    wakeRenewal();
  };

  const check = async (): Promise<void> => {
    if (phase === 'Killing') return;
    if (!guards.isBound()) return;
    if (isDue()) await kill();
    else if (phase === 'Open' && now() >= deadline.freezeAt()) await freeze();
  };

  const ask = async (): Promise<void> => {
    if (!deadline.mustAsk(now())) return;
    const startedAt = now();
    const tables = [table, statedTable].filter((one) => one !== undefined);
    const asked = deadline;
    const ballots = await askPeers(ports, { host, tables, timeoutMs: timings.answerTimeout }, hearing);
    if (asked === deadline) asked.asked(startedAt, ballots);
    await save();
  };

  const keepRenewing = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const began = now();
      try {
        await renew();
        if (complaint !== '') log.info('the Lease is renewed again');
        complaint = '';
      } catch (error) {
        version = undefined;
        const message = error instanceof Error ? error.message : String(error);
        if (message !== complaint && !signal.aborted) log.warn('the Lease was not renewed', { message });
        complaint = message;
      }
      const least = complaint === '' ? LEAST_PAUSE_MS : timings.renewInterval / 4;
      await clock.sleep(least, signal).catch(() => undefined);
      await untilNext(began + timings.renewInterval, signal);
    }
  };

  /** Waits for the next renewal's turn, or until somebody waits to be listed. */
  const untilNext = (at: number, signal: AbortSignal): Promise<void> =>
    guards.isAwaited() && complaint === ''
      ? Promise.resolve()
      : waitUntil(clock, at, signal, (wake) => {
          wakeRenewal = wake;
        });

  const change = async (work: Promise<Life>): Promise<Life> => {
    // Whoever does not wait for it must not be told of its failure.
    work.catch(() => {});
    await save();
    wakeRenewal();
    return work;
  };

  return {
    state,
    guard: async (key, id) => {
      if (isKilling()) throw new Error('the host ends its guests');
      const listed = await change(guards.add(key, id));
      await ports.guests.admit(id, listed.term);
      if (!isKilling() && term === listed.term) return listed;
      // Made beside the kill, perhaps after it had looked: what enters now would be guarded by nobody.
      await ports.guests.dismiss(id, listed.term);
      throw new Error('the host ends its guests');
    },
    release: async (key) => {
      if (phase !== 'Killing') await change(guards.drop(key));
    },
    forget: async () => {
      guards.clear();
      watchdog.disarm();
      await save();
      await renew().catch(() => undefined);
    },
    retire: async () => {
      const over = life();
      const isBusy = isKilling() || guards.entries().length > 0 || guards.isAwaited();
      if (over === undefined || !hasRenewed || isBusy) throw new Error('this life is not over yet');
      isRetired = true;
      term = over.term + 1;
      hasRenewed = false;
      watchdog.disarm();
      await save();
      return over;
    },
    answer: (asker) => {
      hearing.set(asker, now());
      return deadline.age(now());
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    run: async (signal) => {
      await remember();
      const look = async () => {
        const found = await ports.policy(timings.renewInterval).catch(() => undefined);
        if (found !== undefined) ({ timings, table } = found);
        await watchdog.look(wishOf(timings));
      };
      await look();
      const again = (pauseMs: () => number, act: () => Promise<void>) =>
        inRounds(ports, { act, pauseMs, signal });
      await Promise.all([
        again(() => CHECK_MS, check),
        // Beside it: a kill or a freeze that hangs is no reason to feed less, nor more.
        again(
          () => CHECK_MS,
          async () => {
            watchdog.feed(mayFeed);
            killer.look();
          },
        ),
        again(() => timings.askInterval, ask),
        again(() => POLICY_MS, look),
        keepRenewing(signal),
      ]);
    },
  };
}

/** A host heard so recently is named in the Lease. */
const HEARD_MS = 2_500;
