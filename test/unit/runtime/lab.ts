/** A manager over an API in memory, with a user beside it, for stories about controllers. */
import { silentLog } from '../../../src/base/log.ts';
import type { Metrics } from '../../../src/base/metrics.ts';
import { done } from '../../../src/base/outcome.ts';
import type { Client } from '../../../src/client/contract.ts';
import type { MemoryRequest } from '../../../src/client/memory.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import type { Controller } from '../../../src/runtime/contract.ts';
import { createManager } from '../../../src/runtime/engine.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { Guest } from '../client/guests.ts';

export type LabOptions = {
  /** Faults and delays of the manager's requests. */
  intercept?: (request: MemoryRequest) => void | Promise<void>;
  metrics?: Metrics;
};

/** Everything but the controllers. */
export function createLab({ metrics, ...options }: LabOptions = {}) {
  const clock = createFakeClock();
  const user = createMemoryClient({ clock });
  const memory = createMemoryClient({ clock, server: user, ...options });
  let gate: Promise<void> | undefined;
  const client: Client = {
    ...memory,
    watch: async function* (kind, how) {
      for await (const event of memory.watch(kind, how)) {
        await gate;
        yield event;
      }
    },
  };
  const world = { clock, random: seededRandom(), log: silentLog };
  const manager = createManager({
    client,
    world,
    component: 'vireo-test',
    host: 'h1',
    ...(metrics === undefined ? {} : { metrics }),
  });
  const stop = new AbortController();
  const guests = manager.informers.informer(Guest);
  let running: Promise<void> = Promise.resolve();

  /** A controller of guests that does nothing but what is given. */
  const add = (controller: Partial<Controller<Guest>>): string[] => {
    const passes: string[] = [];
    const whole: Controller<Guest> = {
      name: 'guests',
      kind: Guest,
      informer: guests,
      writes: ['status'],
      reconcile: async () => ({ outcome: done }),
      ...controller,
    };
    const { remove } = whole;
    manager.add<Guest>({
      ...whole,
      reconcile: (pass) => {
        passes.push(`reconcile ${pass.object.metadata.name}`);
        return whole.reconcile(pass);
      },
      ...(remove === undefined
        ? {}
        : {
            remove: (pass) => {
              passes.push(`remove ${pass.object.metadata.name}`);
              return remove(pass);
            },
          }),
    });
    return passes;
  };

  return {
    clock,
    user,
    client,
    manager,
    guests,
    stop,
    add,
    /** Watches show nothing until the returned function is called: the local copy lags behind. */
    blindWatches: () => {
      let open = (): void => {};
      gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      return open;
    },
    start: async () => {
      running = manager.run(stop.signal);
      await clock.advance(0);
    },
    ended: () => running,
    /** What the manager and the user wrote to guests so far, events left out. */
    writes: () =>
      user
        .writes()
        .filter(({ kind }) => kind.kind === 'Guest')
        .map(({ verb, key, subresource }) => [verb, key, subresource].filter(Boolean).join(' ')),
  };
}
