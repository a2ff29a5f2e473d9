/** A host whose power goes at a chosen step. */
import { silentLog } from '../../../../src/base/log.ts';
import type { World } from '../../../../src/base/world.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const changing = new Set(['writeAtomic', 'makeDirectory', 'remove', 'removeTree', 'rename', 'chmod', 'run']);

/** A world that dies at its `step`th change: that change and all later calls fail. `count` tells how many changes were asked for. */
export function mortalWorld(step: number): World & { count(): number } {
  const real = realWorld();
  let changes = 0;
  const mortal = <T extends object>(port: T): T =>
    new Proxy(port, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (name === 'pipe') {
          return (...input: unknown[]) => {
            changes += 1;
            if (changes >= step) throw new Error('the power is gone');
            return method.apply(target, input);
          };
        }
        return async (...input: unknown[]) => {
          if (changing.has(String(name))) changes += 1;
          if (changes >= step) throw new Error('the power is gone');
          return method.apply(target, input);
        };
      },
    });
  return {
    ...real,
    log: silentLog,
    files: mortal(real.files),
    processes: mortal(real.processes),
    count: () => changes,
  };
}
