/**
 * What guests really use, for balance by load: measured while the ClusterPolicy asks for it, smoothed, rounded, and told again only when it has changed
 * by much, all guests at once and once a minute at most. What does not change costs no write.
 */
import type { HostStatus } from '../../api/kinds/host.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { formatBytes, parseBytes } from '../../base/quantity.ts';
import type { CgroupUsage } from '../../drivers/cgroup/contract.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';

export type GuestLoad = NonNullable<NonNullable<HostStatus['guests']>[number]['load']>;

export type Loads = {
  /** As it is told; undefined: it has not run for long enough, or nobody measures. */
  of(id: string): GuestLoad | undefined;
  /** Something else is to be told. */
  readonly changed: Announcement<void>;
  /** Measures until the signal. */
  run(signal: AbortSignal): Promise<void>;
};

export type LoadsOptions = {
  clock: Clock;
  log: Log;
  isWanted(): boolean;
  /** Ids of guests with a process. */
  running(): readonly string[];
  /** Absent on hosts that exist only on paper. */
  usage: ((id: string) => Promise<CgroupUsage | undefined>) | undefined;
};

export const LOOK_EVERY_MS = 10_000;
/** A change that has lasted so long counts for two thirds. */
const SMOOTH_MS = 30_000;
/** A guest is told of when it has been measured for so long. */
const FIRST_AFTER_MS = 30_000;
export const TOLD_EVERY_MS = 60_000;
const CPU_STEP = 0.25;
const MEMORY_STEP = 64 * 2 ** 20;
/** What is told differs by so many steps at least, and by this share. */
const STEPS = { cpu: 2, memory: 4 } as const;
const SHARE = 0.25;

type Measured = { since: number; at: number; cpuSeconds: number; cpus: number; memoryBytes: number };

export function createLoads({ clock, log, isWanted, running, usage }: LoadsOptions): Loads {
  const changed = createAnnouncement<void>();
  const measured = new Map<string, Measured>();
  const told = new Map<string, GuestLoad>();
  let toldAt = Number.NEGATIVE_INFINITY;

  const measure = async (id: string, use: NonNullable<LoadsOptions['usage']>): Promise<void> => {
    const used = await use(id);
    if (used === undefined) return;
    const at = clock.monotonic();
    const before = measured.get(id);
    const { cpuSeconds, memoryBytes } = used;
    // Another process, whose count has begun anew.
    if (before === undefined || cpuSeconds < before.cpuSeconds) {
      measured.set(id, { since: at, at, cpuSeconds, cpus: 0, memoryBytes });
      return;
    }
    const elapsed = at - before.at;
    if (elapsed <= 0) return;
    const cpus = ((cpuSeconds - before.cpuSeconds) * 1_000) / elapsed;
    const isFirst = before.at === before.since;
    const part = isFirst ? 1 : 1 - Math.exp(-elapsed / SMOOTH_MS);
    const towards = (old: number, now: number) => old + part * (now - old);
    measured.set(id, {
      ...{ since: before.since, at, cpuSeconds },
      cpus: towards(before.cpus, cpus),
      memoryBytes: towards(before.memoryBytes, memoryBytes),
    });
  };

  const tell = (): void => {
    const now = clock.monotonic();
    const ripe = [...measured].filter(([, { since }]) => now - since >= FIRST_AFTER_MS);
    if (now - toldAt < TOLD_EVERY_MS || !ripe.some(([id, one]) => isNews(told.get(id), one))) return;
    toldAt = now;
    for (const [id, one] of ripe) told.set(id, rounded(one));
    changed.tell();
  };

  /** Those that run no more take their figures along: that is told with the news of their end. */
  const forget = (ids: ReadonlySet<string>): void => {
    for (const known of [measured, told])
      for (const id of [...known.keys()]) if (!ids.has(id)) known.delete(id);
  };

  const look = async (use: NonNullable<LoadsOptions['usage']>): Promise<void> => {
    const ids = isWanted() ? running() : [];
    const had = told.size;
    forget(new Set(ids));
    for (const id of ids) await measure(id, use);
    if (ids.length > 0) tell();
    else if (had > 0) changed.tell();
  };

  return {
    changed,
    of: (id) => told.get(id),
    run: async (signal) => {
      if (usage === undefined) return;
      while (!signal.aborted) {
        await look(usage).catch((error: unknown) =>
          log.warn('what guests use could not be measured', { message: String(error) }),
        );
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
      }
    },
  };
}

function rounded({ cpus, memoryBytes }: Measured): GuestLoad {
  return {
    cpu: Math.round(cpus / CPU_STEP) * CPU_STEP,
    memory: formatBytes(Math.round(memoryBytes / MEMORY_STEP) * MEMORY_STEP),
  };
}

function isNews(before: GuestLoad | undefined, { cpus, memoryBytes }: Measured): boolean {
  if (before === undefined) return true;
  const bytes = parseBytes(before.memory);
  return (
    Math.abs(cpus - before.cpu) >= Math.max(STEPS.cpu * CPU_STEP, SHARE * before.cpu) ||
    Math.abs(memoryBytes - bytes) >= Math.max(STEPS.memory * MEMORY_STEP, SHARE * bytes)
  );
}
