/** The engine of one role: its controllers, each with a queue of its own, from start to an orderly stop. */
import { setMaxListeners } from 'node:events';
import type { KubeObject } from '../api/meta.ts';
import type { Metrics } from '../base/metrics.ts';
import type { World } from '../base/world.ts';
import type { Client, Informers } from '../client/contract.ts';
import { createInformers } from '../client/informers.ts';
import type { Controller, Declaration, Manager } from './contract.ts';
import { writeConflicts } from './declarations.ts';
import type { EventRecorder } from './events.ts';
import { createEventRecorder } from './events.ts';
import { LeadershipLostError } from './leader.ts';
import { createUnitMeter, measured } from './metrics.ts';
import { createReconciler } from './pass.ts';
import type { Queue } from './queue.ts';
import { createQueue } from './queue.ts';

const DEFAULT_CONCURRENCY = 4;

/** Passes under way at a stop may end by themselves for this long, then are told to. */
const STOP_GRACE_MS = 10_000;
const STOP_ABORTED_MS = 2_000;
const EVENTS_FLUSH_MS = 1_000;

export type ManagerOptions = {
  client: Client;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  /** Source of events, such as `vireo-agent`. */
  component: string;
  host?: string;
  /** Default: the manager's own over `client`. */
  informers?: Informers;
  /** Where it counts what its controllers do. */
  metrics?: Metrics;
};

/** One controller with its queue; the type of its objects stays inside. */
type Unit = { declaration: Declaration; queue: Queue; connect(): () => void };

function createUnit<T extends KubeObject>(
  controller: Controller<T>,
  options: ManagerOptions,
  events: EventRecorder,
  signal: AbortSignal,
  passed: () => void,
): Unit {
  const { clock, random } = options.world;
  const reconciler = createReconciler(controller, {
    ...options,
    events,
    signal,
    enqueue: (key) => queue.add(key),
  });
  const concurrency = controller.concurrency ?? DEFAULT_CONCURRENCY;
  const meter = createUnitMeter(options.metrics, controller.name, concurrency);
  const queue = createQueue({
    ...{ clock, random, concurrency },
    ...(meter === undefined ? {} : { meter }),
    work: measured(meter, clock, async (key) => {
      passed();
      const disposition = await reconciler.work(key);
      passed();
      return disposition;
    }),
  });
  return {
    declaration: controller,
    queue,
    connect: () => {
      const ends = [
        controller.informer.onChange(reconciler.changed),
        ...(controller.triggers ?? []).map((trigger) => trigger.subscribe(queue.add)),
        ...(meter === undefined ? [] : [meter.watch(queue)]),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function check(controller: Declaration, hasRemove: boolean, others: readonly Declaration[]): void {
  if (others.some(({ name }) => name === controller.name)) {
    throw new Error(`two controllers are called ${controller.name}`);
  }
  if (controller.finalizer !== undefined && !hasRemove) {
    throw new Error(`${controller.name} has a finalizer but no remove: its objects could never be deleted`);
  }
  const [conflict] = writeConflicts([...others, controller]);
  if (conflict !== undefined) throw new Error(`${conflict}: one field has one writer`);
}

/** Makes a manager without controllers; nothing runs before `run`. */
export function createManager(options: ManagerOptions): Manager {
  const { client, world } = options;
  const { clock, log } = world;
  const informers = options.informers ?? createInformers(client, world);
  let lastPassMs = Number.NEGATIVE_INFINITY;
  const passed = (): void => {
    lastPassMs = clock.monotonic();
  };
  const events = createEventRecorder({ ...options, lastPassMs: () => lastPassMs });
  const passes = new AbortController();
  // Every request of every pass hears it: many listeners are no leak.
  setMaxListeners(0, passes.signal);
  const units: Unit[] = [];
  let isRunning = false;

  /** Resolves with false when the limit is over first. */
  const within = async (work: Promise<unknown>, limitMs: number): Promise<boolean> => {
    const limit = new AbortController();
    const tooLong = clock.sleep(limitMs, limit.signal).then(
      () => false,
      () => true,
    );
    const result = await Promise.race([work.then(() => true), tooLong]);
    limit.abort();
    return result;
  };

  const stop = async (reason: unknown): Promise<void> => {
    const ended = Promise.all(units.map(({ queue }) => queue.stop()));
    // A leader that lost its lease has a successor already: not one more write.
    if (reason instanceof LeadershipLostError) passes.abort(reason);
    if (!(await within(ended, STOP_GRACE_MS))) passes.abort(reason);
    if (!(await within(ended, STOP_ABORTED_MS)))
      log.warn('passes did not end in time', { component: options.component });
    await events.flush(EVENTS_FLUSH_MS);
  };

  return {
    client,
    informers,
    declarations: () => units.map(({ declaration }) => declaration),
    add: (controller) => {
      if (isRunning) throw new Error(`${controller.name} is added to a manager that runs already`);
      const others = units.map(({ declaration }) => declaration);
      check(controller, controller.remove !== undefined, others);
      units.push(createUnit(controller, options, events, passes.signal, passed));
    },
    enqueue: (name, key) => {
      const unit = units.find(({ declaration }) => declaration.name === name);
      if (unit === undefined) throw new Error(`there is no controller ${name}`);
      unit.queue.add(key);
    },
    run: async (signal) => {
      if (isRunning) throw new Error('this manager runs already');
      isRunning = true;
      const watching = new AbortController();
      // Each informer's watch hears it: many listeners are no leak.
      setMaxListeners(0, watching.signal);
      const disconnects = units.map(({ connect }) => connect());
      informers.start(watching.signal);
      try {
        const ready = await informers.synced(signal).then(
          () => true,
          () => false,
        );
        if (ready) for (const { queue } of units) queue.start();
        await whenAborted(signal);
      } finally {
        await stop(signal.reason);
        for (const disconnect of disconnects) disconnect();
        watching.abort(signal.reason);
      }
    },
  };
}
