import { describe, expect, it } from 'vitest';
import { createCatalog } from '../../../src/apiserver/catalog/catalog.ts';
import type { Served } from '../../../src/apiserver/catalog/served.ts';
import type { KubeObject } from '../../../src/apiserver/object.ts';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import { createHub, type Hub } from '../../../src/apiserver/watch/hub.ts';
import { startWatcher, type WatchScope } from '../../../src/apiserver/watch/watcher.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';

const everything: WatchScope = { namespace: undefined, name: undefined, matches: undefined };

/** A store with config maps and somebody who watches them. */
function scene(
  limits = { events: 100, bytes: 1 << 20 },
  afterAnswers = (handOut: () => void) => handOut(),
  nextRound?: (run: () => void) => void,
) {
  const store = createMemoryStore();
  const catalog = createCatalog(store, silentLog);
  const maps = catalog.find('', 'v1', 'configmaps');
  if (maps === undefined) throw new Error('no config maps');
  const hub = createHub(store, limits, afterAnswers, nextRound);
  return { store, maps, hub };
}

async function put(
  store: Store,
  served: Served,
  name: string,
  labels: Record<string, string> = {},
  namespace = 'ns',
): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels } };
  await store.commit([{ key: `${served.prefix}${namespace}/${name}`, put: encode(served, object) }]);
}

async function drop(store: Store, served: Served, name: string): Promise<void> {
  await store.commit([{ key: `${served.prefix}ns/${name}`, delete: true }]);
}

/** Collects what a watcher is told; `room` is how many events it takes before it stops taking. */
function watch(
  hub: Hub,
  served: Served,
  scope: WatchScope,
  revision: number,
  room = Number.POSITIVE_INFINITY,
) {
  const told: string[] = [];
  const state = { room, expired: false };
  const watcher = startWatcher(hub, served, scope, revision, {
    event: (type, event) => {
      told.push(`${type} ${event.key.slice(served.prefix.length)}`);
      return --state.room > 0;
    },
    expired: () => {
      state.expired = true;
    },
  });
  return { told, state, watcher };
}

describe('a watcher', () => {
  it('is told of everything after its revision, old and new, once and in order', async () => {
    const { store, maps, hub } = scene();
    await put(store, maps, 'a');
    const { told } = watch(hub, maps, everything, 1);
    await put(store, maps, 'a', { x: 'y' });
    await drop(store, maps, 'a');
    expect(told).toEqual(['ADDED ns/a', 'MODIFIED ns/a', 'DELETED ns/a']);
  });

  it('from a revision that is still to be handed out is told of what comes after it only', async () => {
    const waiting: (() => void)[] = [];
    const { store, maps, hub } = scene(undefined, (handOut) => void waiting.push(handOut));
    await put(store, maps, 'a');
    const seen = store.revision();
    const { told, watcher } = watch(hub, maps, everything, seen);
    expect(watcher.position()).toBe(seen);
    await put(store, maps, 'b');
    for (const handOut of waiting) handOut();
    expect(told).toEqual(['ADDED ns/b']);
    expect(watcher.position()).toBe(store.revision());
  });

  it('that takes no more is not fed, and catches up without a loss once it does', async () => {
    const { store, maps, hub } = scene();
    const { told, state, watcher } = watch(hub, maps, everything, store.revision(), 2);
    for (const name of ['a', 'b', 'c', 'd']) await put(store, maps, name);
    expect(told).toEqual(['ADDED ns/a', 'ADDED ns/b']);
    expect(watcher.position()).toBeUndefined();
    state.room = 10;
    watcher.resume();
    await put(store, maps, 'e');
    expect(told).toEqual(['ADDED ns/a', 'ADDED ns/b', 'ADDED ns/c', 'ADDED ns/d', 'ADDED ns/e']);
    expect(watcher.position()).toBe(store.revision());
  });

  it('reads from the store what the ring no longer holds, a bounded number in each round', async () => {
    const rounds: (() => void)[] = [];
    const nextRound = (run: () => void) => void rounds.push(run);
    const { store, maps, hub } = scene({ events: 2, bytes: 1 << 20 }, undefined, nextRound);
    const start = store.revision();
    for (let count = 0; count < 1200; count++) await put(store, maps, `m${count}`);
    const { told, watcher } = watch(hub, maps, everything, start);
    const perRound = [told.length];
    for (let run = rounds.shift(); run !== undefined; run = rounds.shift()) {
      const before = told.length;
      run();
      perRound.push(told.length - before);
    }
    expect(Math.max(...perRound)).toBeLessThanOrEqual(64);
    expect(told).toEqual(Array.from({ length: 1200 }, (_, count) => `ADDED ns/m${count}`));
    expect(watcher.position()).toBe(store.revision());
  });

  it('whose history has been forgotten is told so', async () => {
    const { store, maps, hub } = scene({ events: 1, bytes: 1 << 20 });
    const start = store.revision();
    for (const name of ['a', 'b', 'c']) await put(store, maps, name);
    await store.compact(store.revision() - 1);
    const { told, state } = watch(hub, maps, everything, start);
    expect(told).toEqual([]);
    expect(state.expired).toBe(true);
  });

  it('sees an object come and go as its labels begin and cease to match', async () => {
    const { store, maps, hub } = scene();
    const matches = (object: KubeObject) => object.metadata.labels?.on === 'yes';
    const { told } = watch(hub, maps, { ...everything, matches }, store.revision());
    await put(store, maps, 'a', { on: 'no' });
    await put(store, maps, 'a', { on: 'yes' });
    await put(store, maps, 'a', { on: 'yes', more: '1' });
    await put(store, maps, 'a', { on: 'no' });
    await drop(store, maps, 'a');
    expect(told).toEqual(['ADDED ns/a', 'MODIFIED ns/a', 'DELETED ns/a']);
  });

  it('of one namespace and name sees nothing else', async () => {
    const { store, maps, hub } = scene();
    const { told } = watch(hub, maps, { ...everything, namespace: 'ns', name: 'a' }, store.revision());
    await put(store, maps, 'a');
    await put(store, maps, 'ab');
    await put(store, maps, 'a', {}, 'other');
    expect(told).toEqual(['ADDED ns/a']);
  });

  it('that has closed is told nothing more', async () => {
    const { store, maps, hub } = scene();
    const { told, watcher } = watch(hub, maps, everything, store.revision());
    watcher.close();
    await put(store, maps, 'a');
    expect(told).toEqual([]);
  });
});

describe('a change that thousands follow', () => {
  /** Watchers under a hub whose rounds the test starts by hand. */
  function crowd(count: number) {
    const rounds: (() => void)[] = [];
    const { store, maps, hub } = scene(undefined, undefined, (run) => rounds.push(run));
    const all = Array.from({ length: count }, () => watch(hub, maps, everything, store.revision()));
    const told = () => all.reduce((sum, one) => sum + one.told.length, 0);
    return { store, maps, hub, all, told, nextRound: () => rounds.shift()?.() };
  }

  it('goes out in rounds of a bounded number, and to everybody', async () => {
    const { store, maps, told, nextRound } = crowd(2_000);
    await put(store, maps, 'a');
    const steps = [told()];
    for (let round = 0; round < 60; round++) {
      nextRound();
      steps.push(told());
    }
    const largest = Math.max(...steps.map((now, index) => now - (steps[index - 1] ?? 0)));
    expect({ largest, all: told() }).toEqual({ largest: 64, all: 2_000 });
  });

  it('is never lost, doubled or overtaken by the next one', async () => {
    const { store, maps, all, nextRound } = crowd(500);
    for (const name of ['a', 'b']) await put(store, maps, name);
    nextRound();
    await drop(store, maps, 'a');
    for (let round = 0; round < 60; round++) nextRound();
    for (const { told } of all) expect(told).toEqual(['ADDED ns/a', 'ADDED ns/b', 'DELETED ns/a']);
  });

  it('holds back the bookmarks of those who still wait for it', async () => {
    const { store, maps, all, nextRound } = crowd(100);
    await put(store, maps, 'a');
    expect(all.at(-1)?.watcher.position()).toBeUndefined();
    nextRound();
    expect(all.at(-1)?.watcher.position()).toBe(store.revision());
  });

  it('does not wake one that its own client holds up', async () => {
    const { store, maps, hub, nextRound } = crowd(200);
    const held = watch(hub, maps, everything, store.revision(), 1);
    await put(store, maps, 'a');
    nextRound();
    nextRound();
    await put(store, maps, 'b');
    for (let round = 0; round < 5; round++) nextRound();
    expect(held.told).toEqual(['ADDED ns/a']);
  });
});
