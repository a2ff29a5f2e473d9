/** A simulated machine: power, boots, a clock of its own, processes that outlive what started them, a watchdog and a start gate. */

import { type Agent, createAgent } from './agent.ts';
import type { Cluster } from './cluster.ts';
import { createKeeper, type Keeper } from './keeper.ts';

/** A guest's process. It executes when it is Running, not frozen, and its host has power. Job: works on the volumes of a guest that is off. */
export type Process = {
  guest: string;
  uid: string;
  epoch: number;
  state: 'Preparing' | 'Running' | 'Incoming' | 'HandedOver' | 'Job';
  /** HandedOver: the control plane that was asked to hand it over. */
  askedOf?: number;
};

export type SimHost = {
  readonly name: string;
  readonly watchdogMs: number | undefined;
  power(): 'Running' | 'Booting' | 'PoweredOff';
  bootID(): string;
  /** This boot's own clock, milliseconds; it may drift. */
  mono(): number;
  /** Calls back on this host's clock, in this boot: later when the host's processes are paused, never when it has lost power. */
  after(ms: number, run: () => void): void;
  deliver(run: () => void): void;
  processes: Map<string, Process>;
  isFrozen(): boolean;
  freeze(on: boolean): void;
  /** The keeper's kill: what it guards is gone, with everything that prepares to run. */
  killGuarded(keys: readonly string[]): void;
  /** A new term has begun. */
  lifeChanged(): void;
  /** Sets the device to this time and lets it count anew. */
  feed(timeoutMs: number): void;
  disarm(): void;
  isWatched(): boolean;
  keeper(): Keeper | undefined;
  agent(): Agent | undefined;
  executes(guest: string): boolean;
  /** Epochs the host has on disk, by uid: they outlive boots. */
  epochs: Map<string, number>;
  /** Guests, by uid, whose name another object had when the host looked last. */
  orphans: Set<string>;
  /** With which epoch each guest has left the host, by uid; as long as the agent runs. */
  left: Map<string, number>;
  /** The latest control plane the host has seen; on disk, too. */
  seen: number;
  network: 'Connected' | 'Cut';
  storage: 'Connected' | 'Cut';
  controlPlaneCut: boolean;
  drift: number;
  slowBootMs: number;
  /** Devices that do not work as they should, by name, and how long any of them takes. */
  fence: { broken: Map<string, 'Fails' | 'Lies'>; delayMs: number };
  /** Somebody took the power away: a device cannot bring it back. */
  hasMains: boolean;
  powerOff(): void;
  /** `atOnce`: it has been running when the story begins, in its first term. */
  powerOn(atOnce?: boolean): void;
  reset(): void;
  pause(ms: number): void;
  isPaused(): boolean;
  killKeeper(): void;
  restartAgent(): void;
};

export type HostOptions = { name: string; watchdogMs: number | undefined; bootTakesMs: number };

export function createHost(cluster: Cluster, { name, watchdogMs, bootTakesMs }: HostOptions): SimHost {
  const { schedule } = cluster;
  let power: 'Running' | 'Booting' | 'PoweredOff' = 'PoweredOff';
  let boots = 0;
  let bootedAt = 0;
  let pausedUntil: number | undefined;
  let backlog: (() => void)[] = [];
  let frozen = false;
  let keeper: Keeper | undefined;
  let agent: Agent | undefined;
  let resetAt = 0;
  let countMs = 0;
  let isWatched = false;
  let keeperIsDead = false;

  const host: SimHost = {
    name,
    watchdogMs,
    power: () => power,
    bootID: () => `${name}-boot${boots}`,
    mono: () => (schedule.now() - bootedAt) * (1 + host.drift),
    after: (ms, run) => {
      const boot = boots;
      schedule.after(ms / (1 + host.drift), () => {
        if (boot === boots && power === 'Running') host.deliver(run);
      });
    },
    deliver: (run) => {
      if (power !== 'Running') return;
      if (pausedUntil === undefined) run();
      else backlog.push(run);
    },
    processes: new Map(),
    isFrozen: () => frozen,
    freeze: (on) => {
      frozen = on;
      if (!on) cluster.invariants.executing(host);
    },
    killGuarded: (keys) => {
      const dead = new Set(keys);
      for (const [guest, process] of host.processes) {
        if (dead.has(`${process.uid}@${process.epoch}`) || process.state !== 'Running')
          host.processes.delete(guest);
      }
    },
    lifeChanged: () => agent?.lifeChanged(),
    feed: (timeoutMs) => {
      if (watchdogMs === undefined) return;
      resetAt = schedule.now() + timeoutMs;
      countMs = timeoutMs;
      if (!isWatched) watch(boots);
    },
    disarm: () => {
      isWatched = false;
    },
    isWatched: () => isWatched,
    keeper: () => (keeperIsDead ? undefined : keeper),
    agent: () => agent,
    executes: (guest) => power === 'Running' && !frozen && host.processes.get(guest)?.state === 'Running',
    epochs: new Map(),
    orphans: new Set(),
    left: new Map(),
    seen: 1,
    network: 'Connected',
    storage: 'Connected',
    controlPlaneCut: false,
    drift: 0,
    slowBootMs: 0,
    fence: { broken: new Map(), delayMs: 1_800 },
    hasMains: true,
    powerOff: () => {
      power = 'PoweredOff';
      stopEverything();
    },
    powerOn: (atOnce = false) => {
      if (power !== 'PoweredOff') return;
      if (atOnce) begin(1);
      else boot(bootTakesMs + host.slowBootMs);
    },
    reset: () => {
      if (power === 'PoweredOff') return;
      stopEverything();
      boot(bootTakesMs + host.slowBootMs);
    },
    pause: (ms) => {
      const until = schedule.now() + ms;
      pausedUntil = Math.max(pausedUntil ?? 0, until);
      const paused = boots;
      schedule.after(ms, () => {
        if (paused !== boots || pausedUntil !== until) return;
        pausedUntil = undefined;
        const late = backlog;
        backlog = [];
        for (const run of late) host.deliver(run);
      });
    },
    isPaused: () => pausedUntil !== undefined,
    killKeeper: () => {
      keeperIsDead = true;
      // The kernel lets a device that lost its holder count once more: watchdog_release in drivers/watchdog/watchdog_dev.c.
      resetAt = schedule.now() + countMs;
    },
    restartAgent: () => {
      if (power === 'Running') agent = createAgent(host, cluster, agent);
    },
  };

  const stopEverything = (): void => {
    boots += 1;
    host.processes.clear();
    frozen = false;
    pausedUntil = undefined;
    backlog = [];
    keeper = undefined;
    keeperIsDead = false;
    agent = undefined;
    isWatched = false;
  };

  const boot = (ms: number): void => {
    power = 'Booting';
    const booting = boots;
    schedule.after(ms, () => {
      if (power !== 'Booting' || booting !== boots) return;
      begin(undefined);
    });
  };

  const begin = (term: number | undefined): void => {
    power = 'Running';
    bootedAt = schedule.now();
    keeper = createKeeper(host, cluster, { bootID: host.bootID(), term });
    agent = createAgent(host, cluster, undefined);
    cluster.booted(host);
  };

  /** The device counts by itself, whatever the processes of the host do. */
  const watch = (boot: number): void => {
    isWatched = true;
    const look = (): void => {
      if (boot !== boots || !isWatched) return;
      const left = resetAt - schedule.now();
      if (left > 0) schedule.after(left, look);
      else {
        cluster.trace('watchdog', 'Reset', name);
        host.reset();
      }
    };
    look();
  };

  return host;
}
