import { afterEach, describe, expect, it } from 'vitest';
import type { ObjectMeta } from '../../../src/apiserver/object.ts';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { startEmbedded } from '../../contract/apiserver/embedded.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';
import { builtinServed } from './served.ts';

const configMaps = builtinServed('configmaps');
const keyOf = (name: string) => `${configMaps.prefix}default/${name}`;
const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'gone' }];

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/**
 * A server over a store that holds one object whose owner is gone, and the looks at it since. A store in memory answers before anything else
 * has its turn, so a collector that asks without pause would never end: it is refused after a thousand looks.
 */
async function aDependent(
  metadata: Partial<ObjectMeta>,
  changes: (store: Store) => Partial<Store> = () => ({}),
) {
  const memory = createMemoryStore();
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default', ...metadata },
  };
  await memory.commit([{ key: keyOf('a'), put: encode(configMaps, object) }]);
  const seen = { looks: 0 };
  const store: Store = {
    ...memory,
    get: (key) => {
      if (key === keyOf('a') && ++seen.looks > 1_000) throw new Error('it is looked at without end');
      return memory.get(key);
    },
    ...changes(memory),
  };
  const clock = createFakeClock();
  const server = await startEmbedded({ store, clock });
  ends.push(server.stop);
  return { seen, clock, isGone: () => memory.get(keyOf('a')) === undefined };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; turns < 1_000 && !condition(); turns += 1) await settle();
  expect(condition()).toBe(true);
}

describe('the garbage collector', () => {
  it('takes an object whose owner is gone, also one that was stored without a uid', async () => {
    const { seen, clock, isGone } = await aDependent({ ownerReferences });
    await clock.advance(1_000);
    await until(isGone);
    expect(seen.looks).toBeLessThan(10);
  });

  it('rests before it tries again to take an object that cannot be taken now', async () => {
    let refuses = true;
    const { seen, clock, isGone } = await aDependent({ uid: 'a', ownerReferences }, (memory) => ({
      commit: async (writes) => {
        const first = writes[0];
        if (!refuses || first === undefined || !('delete' in first)) return memory.commit(writes);
        return { ok: false, key: first.key };
      },
    }));
    await clock.advance(1_000);
    await until(() => seen.looks > 0);
    await settle();
    const once = seen.looks;
    await clock.advance(1_000);
    expect(seen.looks).toBe(once);
    expect(isGone()).toBe(false);

    refuses = false;
    await clock.advance(2_000);
    await until(isGone);
  });
});
