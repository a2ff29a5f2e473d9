/**
 * The agent's side of the keeper: guests with `ha` are guarded before they start and as long as they run, or programs work on their volumes, and start
 * only in the life of the host that the manager's word names. While there is no ClusterPolicy nothing is asked and nothing is guarded; guests without `ha` never are.
 */
import { isProtected } from '../api/ha.ts';
import { CLUSTER_POLICY, type ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Informer } from '../client/contract.ts';
import type { KeeperState, Life } from '../keeper/contract.ts';
import { type Announcement, createAnnouncement } from './announcement.ts';
import { GateClosed } from './guests/gate.ts';
import type { GuestObject } from './guests/kind.ts';
import type { GuestPrograms } from './programs.ts';

/** The keeper of this host, which outlives the agent. All methods start it when it does not run, but for `retire` and `end`. */
export type KeeperLink = {
  state(): Promise<KeeperState>;
  /** Resolves with the present life once an acknowledged Lease lists the guest. */
  guard(key: string, id: string): Promise<Life>;
  /** Resolves once no Lease lists it. */
  release(key: string): Promise<void>;
  /** Ends the life that it keeps, which it resolves with, and the keeper; starts none. Rejects while something is guarded. */
  retire(): Promise<Life>;
  /** It is no longer wanted; none running is no error. */
  end(): Promise<void>;
};

/** A guest of this host that has a process, or may have one. */
export type GuardedGuest = { key: string; id: string; isRunning: boolean; wanted: boolean };

export type Guarding = {
  /** There is a keeper, or may be: what counts as a guest with `ha` must be where it can be killed. */
  isOn(): boolean;
  /** What the keeper last said; undefined while there is none. */
  last(): KeeperState | undefined;
  /** It starts only by the manager's word and under the keeper's eyes. */
  needs(guest: GuestObject): boolean;
  /** Resolves once the guest is guarded. Throws GateClosed. */
  hold(key: string, id: string): Promise<Life>;
  /** As `hold`, for programs that work on its volumes: it stays guarded until none of them is left. Once it is so, that is not asked again. */
  keep(key: string, id: string): Promise<Life>;
  /** Throws GateClosed while the manager has still to choose where a guest starts that was off. */
  requireChoice(guest: GuestObject | undefined): void;
  /** Throws GateClosed unless its host is chosen, the placement is for this life, and the keeper's gate is open now. */
  admit(guest: GuestObject | undefined, life: Life): Promise<void>;
  /**
   * Nothing of this host runs any more: lets go of all that is guarded, and ends the life and its keeper. Undefined where there is none. From the
   * call on nothing is guarded or admitted by this agent. Rejects when that cannot be said for sure.
   */
  retire(): Promise<Life | undefined>;
  /** The keeper has said something else than before. */
  readonly changed: Announcement<void>;
  /** Keeps the keeper's list true until the signal; guests and keeper run on. */
  run(signal: AbortSignal): Promise<void>;
};

export type GuardingOptions = {
  clock: Clock;
  log: Log;
  policies: Informer<ClusterPolicy>;
  /** Absent: a host that exists only on paper. */
  keeper: KeeperLink | undefined;
  /** All guests with a record here. */
  guests(): readonly GuardedGuest[];
  programs: Pick<GuestPrograms, 'where' | 'isBusy' | 'idle' | 'settle'>;
};

const LOOK_MS = 1_000;
/** A guest that is being started has no process yet: it stays guarded for longer than any start takes. */
const STARTING_MS = 180_000;
/** Programs that were told to end, or end by themselves, when the host goes down. */
const ENDING_MS = 5_000;

/** Of a guest that is guarded for programs: the life is known once it is. */
type Kept = { id: string; guarded: Promise<Life>; life?: Life };

export function createGuarding(options: GuardingOptions): Guarding {
  const { clock, log, policies, keeper, guests, programs } = options;
  const changed = createAnnouncement<void>();
  const heldAt = new Map<string, number>();
  const kept = new Map<string, Kept>();
  let last: KeeperState | undefined;
  let complaint = '';
  let wake = () => {};
  let isRetired = false;
  let looking: Promise<void> = Promise.resolve();

  const isOn = () => policies.get(CLUSTER_POLICY) !== undefined;
  const take = (state: KeeperState | undefined): void => {
    const said = (one: KeeperState | undefined) => JSON.stringify([one?.life, one?.watchdog]);
    const isNews = said(state) !== said(last);
    last = state;
    if (isNews) changed.tell();
  };
  const closed = (error: unknown) =>
    new GateClosed('KeeperNotReady', `the keeper of this host cannot guard the guest yet: ${String(error)}`);
  /** Without that wish its host starts it at once. */
  const requireChoice = (guest: GuestObject | undefined): void => {
    const { ha, placement } = guest?.status ?? {};
    const isAwaited = policies.get(CLUSTER_POLICY)?.spec.rebalancing?.onStart === true;
    if (isAwaited && ha?.state === 'Stopped' && ha.epoch === placement?.epoch)
      throw new GateClosed('NotAdmitted', 'the manager has not said yet on which host the guest starts');
  };
  const link = (): KeeperLink => {
    if (keeper === undefined) throw new GateClosed('NoKeeper', 'this host has no keeper for guests with ha');
    if (isRetired)
      throw new GateClosed('HostShuttingDown', 'the host is shutting down: no guest starts here');
    return keeper;
  };

  const guard = async (key: string, id: string): Promise<Life> => {
    const running = link();
    if (programs.where(id) === 'Outside') {
      const message =
        'work on its volumes was begun when there was no ClusterPolicy: it is guarded when that has ended';
      throw new GateClosed('WorkUnderWay', message);
    }
    return running.guard(key, id).catch((error: unknown) => {
      throw closed(error);
    });
  };
  const keep = (key: string, id: string): Promise<Life> => {
    const known = kept.get(key);
    if (known !== undefined) return known.guarded;
    const mine: Kept = { id, guarded: guard(key, id) };
    kept.set(key, mine);
    mine.guarded.then(
      (life) => {
        mine.life = life;
      },
      () => {
        if (kept.get(key) === mine) kept.delete(key);
      },
    );
    return mine.guarded;
  };
  /** False: something of it does not die, and is guarded until it does. */
  const isClear = async (id: string): Promise<boolean> => {
    // Its group goes, which the keeper makes again when it is asked to guard.
    for (const [key, one] of kept) if (one.id === id) kept.delete(key);
    return programs.settle(id).then(
      () => true,
      () => false,
    );
  };

  const isHeld = (key: string): boolean =>
    clock.monotonic() - (heldAt.get(key) ?? Number.NEGATIVE_INFINITY) < STARTING_MS;

  const sweep = async (running: KeeperLink): Promise<void> => {
    const before = [...kept].filter(([, { life }]) => life !== undefined);
    const state = await running.state();
    take(state);
    const known = guests();
    const guarded = new Map(state.guarded);
    // What the keeper has killed is guarded no more: whoever works on asks anew.
    for (const [key, one] of before) {
      const isOver = !guarded.has(key) || !isSameLife(one.life, state.life);
      if (isOver && kept.get(key) === one) kept.delete(key);
    }
    const isAlive = ({ id, isRunning }: GuardedGuest) => isRunning || programs.where(id) === 'Inside';
    for (const guest of known) {
      const { key, id, wanted } = guest;
      if (wanted && isAlive(guest) && !guarded.has(key) && programs.where(id) !== 'Outside')
        await running.guard(key, id);
    }
    const byKey = new Map(known.map((guest) => [guest.key, guest]));
    for (const [key, id] of state.guarded) {
      const guest = byKey.get(key);
      const isNeeded = () => isHeld(key) || (guest?.wanted === true && isAlive(guest));
      if (isNeeded()) continue;
      // A process without its record, or under another epoch, is guarded until it is gone or guarded by its other name.
      const others = known.filter((one) => one.id === id && isAlive(one) && one.key !== key);
      if (guest === undefined && others.some((one) => one.wanted && !guarded.has(one.key))) continue;
      if (programs.where(id) === 'None' && !(await isClear(id))) continue;
      // That took time. From here on whoever holds it, or starts a program for it, has it guarded anew behind this.
      if (isNeeded()) continue;
      kept.delete(key);
      heldAt.delete(key);
      await running.release(key);
    }
    const stillGuarded = new Set(guarded.values());
    for (const id of programs.idle()) if (!stillGuarded.has(id)) await isClear(id);
  };

  const nextChange = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      signal.addEventListener('abort', () => resolve(), { once: true });
    });

  const look = async (running: KeeperLink): Promise<void> => {
    try {
      await sweep(running);
      complaint = '';
    } catch (error) {
      take(undefined);
      const message = String(error);
      if (message !== complaint) log.warn('the keeper cannot be reached', { message });
      complaint = message;
    }
  };

  const mayBeOn = () => keeper !== undefined && (isOn() || !policies.hasSynced());

  return {
    changed,
    last: () => last,
    isOn: mayBeOn,
    needs: ({ spec, status }) =>
      status?.ha !== undefined || (isProtected(spec.ha) && (isOn() || !policies.hasSynced())),
    hold: async (key, id) => {
      heldAt.set(key, clock.monotonic());
      return guard(key, id);
    },
    keep,
    requireChoice,
    admit: async (guest, life) => {
      requireChoice(guest);
      const placement = guest?.status?.placement;
      if (placement?.bootID !== life.bootID || placement.term !== life.term) {
        const message = 'the manager has not said yet that the guest may start in this life of the host';
        throw new GateClosed('NotAdmitted', message);
      }
      const state = await link()
        .state()
        .catch((error: unknown) => {
          throw closed(error);
        });
      take(state);
      const isSame = state.life?.bootID === life.bootID && state.life.term === life.term;
      if (!state.isOpen || !isSame)
        throw new GateClosed(
          'HostNotHeard',
          'nobody hears this host at present: guests with ha do not start',
        );
    },
    retire: async () => {
      isRetired = true;
      await looking;
      if (keeper === undefined || !isOn()) return undefined;
      const until = clock.monotonic() + ENDING_MS;
      while (programs.isBusy()) {
        if (clock.monotonic() > until) throw new Error('programs still work on volumes');
        await clock.sleep(100);
      }
      const state = await keeper.state();
      await Promise.all(state.guarded.map(([, id]) => programs.settle(id)));
      await Promise.all(state.guarded.map(([key]) => keeper.release(key)));
      return keeper.retire();
    },
    run: async (signal) => {
      const end = policies.onChange(() => wake());
      try {
        await policies.synced(signal).catch(() => undefined);
        while (!signal.aborted && !isRetired && keeper !== undefined) {
          if (isOn()) {
            looking = look(keeper);
            await looking;
            await clock.sleep(LOOK_MS, signal).catch(() => undefined);
            continue;
          }
          await keeper
            .end()
            .catch((error: unknown) => log.warn('the keeper does not end', { message: String(error) }));
          kept.clear();
          take(undefined);
          if (!isOn() && !signal.aborted) await nextChange(signal);
        }
      } finally {
        end();
      }
    },
  };
}

function isSameLife(a: Life | undefined, b: Life | undefined): boolean {
  return a !== undefined && a.bootID === b?.bootID && a.term === b.term;
}
