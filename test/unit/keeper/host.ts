/** A host with a keeper, on a fake clock: its API, peers and guests are what a story makes of them, and outlive the keeper's process. */
import { DEFAULT_HA_TIMINGS, type HaTimings } from '../../../src/api/haTimings.ts';
import type { KeeperStatement } from '../../../src/api/keeperLease.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { KeeperMemory, KeeperPorts, Life, VoteTable } from '../../../src/keeper/contract.ts';
import { createKeeper } from '../../../src/keeper/keeper.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { createFakeWatchdog } from './fakeWatchdog.ts';

const away = () => Promise.reject(new Error('the API is away'));

export function createHost({ hasWatchdog = false, mayReset = false } = {}) {
  const fake = createFakeClock();
  let suspendedMs = 0;
  const clock = { ...fake, monotonic: () => fake.monotonic() + suspendedMs };
  const world: {
    isApiAway: boolean;
    losesAnswers: boolean;
    incident: Life | undefined;
    timings: HaTimings;
    table: VoteTable;
    /** Age that each peer tells; absent: it does not answer. */
    peers: Map<string, number | undefined>;
    /** Kills that fail before one succeeds. */
    failedKills: number;
  } = {
    isApiAway: false,
    losesAnswers: false,
    incident: undefined,
    timings: DEFAULT_HA_TIMINGS,
    table: { version: 1, votes: { h1: 1, h2: 1, h3: 1 } },
    peers: new Map(),
    failedKills: 0,
  };
  let stored: { version: number; statement: KeeperStatement; groups: Record<string, string> } | undefined;
  let memory: KeeperMemory | undefined;
  let versions = 0;
  const guests = new Map<string, 'Running' | 'Frozen' | 'Dead'>();
  /** Terms whose programs can be started, by guest. */
  const rooms = new Map<string, number>();
  const written: KeeperStatement[] = [];
  const happened: { at: number; what: string }[] = [];
  const dog = createFakeWatchdog(clock);
  const note = (what: string) => void happened.push({ at: clock.monotonic(), what });

  const ports: KeeperPorts = {
    clock,
    log: silentLog,
    lease: {
      read: async () => {
        if (world.isApiAway) return away();
        if (stored === undefined) return undefined;
        const { version, statement, groups } = stored;
        return { version: String(version), statement, groups };
      },
      write: async (statement, groups, before) => {
        if (world.isApiAway) return away();
        if (String(stored?.version) !== String(before)) throw new Error('conflict');
        versions += 1;
        stored = { version: versions, statement, groups: { ...groups } };
        written.push(statement);
        return world.losesAnswers ? away() : String(versions);
      },
    },
    incident: async () => (world.isApiAway ? away() : world.incident),
    policy: async () => (world.isApiAway ? away() : { timings: world.timings, table: world.table }),
    ask: async (name) => {
      if (!world.peers.has(name)) throw new Error('silent');
      return { ageMs: world.peers.get(name) };
    },
    guests: {
      admit: async (id, term) => void rooms.set(id, term),
      dismiss: async (id, term) => {
        note(`dismiss ${id}`);
        if (rooms.get(id) === term) rooms.delete(id);
      },
      freeze: async (id) => {
        note(`freeze ${id}`);
        guests.set(id, 'Frozen');
      },
      thaw: async (id) => {
        if (guests.get(id) === 'Frozen') note(`thaw ${id}`);
        if (guests.get(id) === 'Frozen') guests.set(id, 'Running');
      },
      kill: async (id) => {
        if (world.failedKills > 0) {
          world.failedKills -= 1;
          throw new Error('processes remain');
        }
        note(`kill ${id}`);
        rooms.delete(id);
        guests.set(id, 'Dead');
      },
    },
    ...(hasWatchdog ? { watchdog: dog.device } : {}),
    ...(mayReset ? { reset: () => note('reset') } : {}),
    memory: {
      load: async () => memory,
      save: async (given) => {
        memory = structuredClone(given);
      },
    },
  };

  return {
    clock,
    world,
    guests,
    rooms,
    written,
    happened,
    dog,
    lease: () => stored?.statement,
    foreign: (statement: Partial<KeeperStatement>) => {
      if (stored === undefined) throw new Error('there is no Lease yet');
      versions += 1;
      stored = { ...stored, version: versions, statement: { ...stored.statement, ...statement } };
    },
    /** Everything on the host stands still, timers too, and wakes up this much later. */
    suspend: (ms: number) => {
      suspendedMs += ms;
    },
    forget: () => {
      memory = undefined;
    },
    /** Starts a keeper; `end` kills it, guests run on, and the kernel closes what it had open. */
    start: async (bootID = 'boot-1', pausable = false) => {
      const end = new AbortController();
      const keeper = createKeeper(ports, { host: 'h1', bootID, pausable });
      const running = keeper.run(end.signal);
      running.catch(() => undefined);
      await clock.advance(0);
      return {
        ...keeper,
        end: () => {
          end.abort(new Error('killed'));
          dog.close();
        },
      };
    },
    /** A guest that runs, and is guarded. */
    guest: async (keeper: { guard(key: string, id: string): Promise<Life> }, id: string, epoch = 1) => {
      guests.set(id, 'Running');
      const listed = keeper.guard(`uid-${id}@${epoch}`, id);
      await clock.advance(100);
      return listed;
    },
    /** When something was done, counted from `since`. */
    when: (what: string, since: number) =>
      happened.filter((one) => one.what === what && one.at >= since).map(({ at }) => at - since),
  };
}
