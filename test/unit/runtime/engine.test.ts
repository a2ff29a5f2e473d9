import { describe, expect, it } from 'vitest';
import { Event } from '../../../src/api/core.ts';
import type { Condition } from '../../../src/api/meta.ts';
import { done, failed, ReasonedError, stalled, waiting } from '../../../src/base/outcome.ts';
import { ApiError } from '../../../src/client/contract.ts';
import { setCondition } from '../../../src/runtime/conditions.ts';
import { LeadershipLostError } from '../../../src/runtime/leader.ts';
import { trigger } from '../../../src/runtime/trigger.ts';
import { settle } from '../../world/fakeClock.ts';
import { Guest, guest } from '../client/guests.ts';
import { createLab } from './lab.ts';

const web = { namespace: 'lab', name: 'web' };
const running = { phase: 'Running' };

describe('a pass', () => {
  it('is made once for each object at the start, and once for each change', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const passes = lab.add({});
    await lab.start();
    await lab.user.mergePatch(Guest, web, { spec: { cores: 2 } });
    await lab.clock.advance(0);
    await lab.user.create(Guest, guest('db'));
    await lab.clock.advance(60_000);
    expect(passes).toEqual(['reconcile web', 'reconcile web', 'reconcile db']);
  });

  it('costs one reconcile for one change among a thousand, its own status write included', async () => {
    const lab = createLab();
    for (let index = 0; index < 1_000; index += 1) lab.user.seed(Guest, guest(`g${index}`));
    const passes = lab.add({
      reconcile: async ({ object }) => ({
        outcome: done,
        status: { phase: 'Running', observedGeneration: object.metadata.generation ?? 0 },
      }),
    });
    await lab.start();
    await lab.clock.advance(1_000);
    expect(passes).toHaveLength(1_000);
    expect(lab.writes()).toHaveLength(1_000);
    passes.length = 0;
    await lab.user.mergePatch(Guest, { namespace: 'lab', name: 'g500' }, { spec: { cores: 2 } });
    await lab.clock.advance(1_000);
    expect(passes).toEqual(['reconcile g500']);
  });

  it('looks again after ten minutes, at what stalls after one, at what waits when it said', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('done'));
    lab.user.seed(Guest, guest('stalled'));
    lab.user.seed(Guest, guest('waits'));
    const outcomes: Record<string, ReturnType<typeof waiting>> = {
      stalled: stalled('BadImage', 'x'),
      waits: waiting('Copying', 'x', 7_000),
    };
    const passes = lab.add({
      reconcile: async ({ object }) => ({ outcome: outcomes[object.metadata.name] ?? done }),
    });
    await lab.start();
    const count = (name: string): number => passes.filter((pass) => pass === `reconcile ${name}`).length;
    await lab.clock.advance(70_500);
    expect([count('done'), count('stalled'), count('waits')]).toEqual([1, 2, 11]);
    await lab.clock.advance(600_000);
    expect(count('done')).toBe(2);
  });

  it('backs off from errors, whether returned or thrown', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    let tries = 0;
    const passes = lab.add({
      reconcile: async () => {
        tries += 1;
        if (tries % 2 === 0) throw new Error('broken pipe');
        return { outcome: failed('QmpSilent', 'no answer') };
      },
    });
    await lab.start();
    await lab.clock.advance(60_000);
    expect(passes.length).toBeGreaterThan(6);
    expect(passes.length).toBeLessThan(12);
  });

  it('does not retry hotly what a driver calls hopeless', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const passes = lab.add({
      reconcile: async () => {
        throw new ReasonedError('NoSuchPool', 'make it', { stalled: true });
      },
    });
    await lab.start();
    await lab.clock.advance(50_000);
    expect(passes).toHaveLength(1);
  });

  it('leaves out what is another role’s', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('mine', { spec: { host: 'h1' } }));
    lab.user.seed(Guest, guest('other', { spec: { host: 'h2' } }));
    const passes = lab.add({ selects: ({ spec }) => spec.host === 'h1' });
    await lab.start();
    expect(passes).toEqual(['reconcile mine']);
  });

  it('takes in what becomes its own, and lets go of what is no more', async () => {
    const lab = createLab();
    const web = { name: 'web', namespace: 'lab' };
    lab.user.seed(Guest, guest('web', { spec: { host: 'h2' } }));
    const passes = lab.add({ selects: ({ spec }) => spec.host === 'h1' });
    await lab.start();
    const moveTo = async (host: string) => {
      await lab.user.mergePatch(Guest, web, { spec: { host } });
      await lab.clock.advance(0);
      return passes.length;
    };
    expect([await moveTo('h3'), await moveTo('h1'), await moveTo('h2'), await moveTo('h1')]).toEqual([
      0, 1, 1, 2,
    ]);
  });

  it('asks again at the first pass whether an object is its own, for then all is read', async () => {
    const lab = createLab();
    const hosts = lab.manager.informers.informer({ ...Guest, plural: 'hosts' });
    lab.user.seed(Guest, guest('web'));
    lab.user.seed({ ...Guest, plural: 'hosts' }, guest('h1'));
    const passes = lab.add({ selects: () => hosts.get('lab/h1') !== undefined });
    await lab.start();
    expect(passes).toEqual(['reconcile web']);
  });

  it('comes for other objects’ changes and for calls from outside', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const hosts = lab.manager.informers.informer({ ...Guest, plural: 'hosts' });
    const passes = lab.add({ triggers: [trigger(hosts, () => ['lab/web'])] });
    await lab.start();
    lab.user.seed({ ...Guest, plural: 'hosts' }, guest('h1'));
    await lab.clock.advance(0);
    lab.manager.enqueue('guests', 'lab/web');
    await lab.clock.advance(0);
    expect(passes).toHaveLength(3);
    expect(() => lab.manager.enqueue('nobody', 'x')).toThrow('no controller nobody');
  });
});

describe('a status', () => {
  it('is written once and not again without a change', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    lab.add({ resyncMs: 1_000, reconcile: async () => ({ outcome: done, status: running }) });
    await lab.start();
    await lab.clock.advance(60_000);
    expect(lab.writes()).toEqual(['patch lab/web status']);
    expect((await lab.user.get(Guest, web)).status).toEqual(running);
  });

  it('keeps the time of conditions that did not turn, whatever time the function puts there', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    lab.add({
      reconcile: async ({ object, now }) => {
        const input = {
          type: 'Ready',
          status: 'True',
          reason: 'Up',
          message: `cores ${object.spec.cores}`,
        } as const;
        const none: Condition[] = [];
        return { outcome: done, status: { conditions: setCondition(none, input, { now }) } };
      },
    });
    await lab.start();
    await lab.clock.advance(60_000);
    await lab.user.mergePatch(Guest, web, { spec: { cores: 3 } });
    await lab.clock.advance(0);
    const [ready] = (await lab.user.get(Guest, web)).status?.conditions ?? [];
    expect(ready).toMatchObject({ message: 'cores 3', lastTransitionTime: '2026-01-01T00:00:00Z' });
  });

  it('stays as it is when the pass says nothing about it', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { status: running }));
    lab.add({ reconcile: async () => ({ outcome: done }) });
    await lab.start();
    expect(lab.writes()).toEqual([]);
  });

  it('is not written to paths the controller does not declare', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    lab.add({ writes: ['status.host'], reconcile: async () => ({ outcome: done, status: running }) });
    await lab.start();
    expect(lab.writes()).toEqual([]);
  });

  it('that somebody changed meanwhile is read again, at once and without a failure', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    let meddled = false;
    const passes = lab.add({
      reconcile: async ({ object }) => {
        if (!meddled) {
          meddled = true;
          await lab.user.mergePatch(Guest, web, { spec: { cores: 5 } });
        }
        return { outcome: done, status: { phase: `${object.spec.cores} cores` } };
      },
    });
    await lab.start();
    expect(passes).toHaveLength(2);
    expect((await lab.user.get(Guest, web)).status?.phase).toBe('5 cores');
  });

  it('is not acted upon again before the local copy has seen our own write', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const starts: string[] = [];
    const passes = lab.add({
      reconcile: async ({ object }) => {
        if (object.status?.phase === undefined) starts.push(object.metadata.name);
        return { outcome: done, status: running };
      },
    });
    const openEyes = lab.blindWatches();
    await lab.start();
    expect(lab.guests.get('lab/web')?.status).toBeUndefined();
    lab.manager.enqueue('guests', 'lab/web');
    await lab.clock.advance(5_000);
    expect(passes).toHaveLength(1);
    openEyes();
    await lab.clock.advance(0);
    expect(passes).toHaveLength(2);
    expect(starts).toEqual(['web']);
  });

  it('that the local copy never shows holds an object for ten seconds, not for ever', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const passes = lab.add({ reconcile: async () => ({ outcome: done, status: running }) });
    lab.blindWatches();
    await lab.start();
    lab.manager.enqueue('guests', 'lab/web');
    await lab.clock.advance(9_999);
    expect(passes).toHaveLength(1);
    await lab.clock.advance(1);
    expect(passes).toHaveLength(2);
  });
});

describe('two writers of one field', () => {
  it('are refused at start-up', () => {
    const lab = createLab();
    lab.add({ name: 'first', writes: ['status.phase'] });
    expect(() => lab.add({ name: 'second', writes: ['status.phase'] })).toThrow(
      'first and second both write status.phase of Guest',
    );
    expect(() => lab.add({ name: 'first', writes: [] })).toThrow('two controllers are called first');
    expect(() => lab.add({ name: 'third', writes: [], finalizer: 'x/y' })).toThrow('no remove');
  });
});

describe('the finalizer', () => {
  const finalizer = 'vireo.dev/host';

  it('and the stamp are written, in one write, before the first pass', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    const seen: unknown[] = [];
    const passes = lab.add({
      finalizer,
      stamp: ({ metadata }) => ({ 'vireo.dev/started': `${metadata.name}/${metadata.uid}` }),
      remove: async () => ({ outcome: done }),
      reconcile: async ({ object }) => {
        seen.push((await lab.user.get(Guest, web)).metadata, object.metadata);
        return { outcome: done };
      },
    });
    await lab.start();
    const { uid } = await lab.user.get(Guest, web).then(({ metadata }) => metadata);
    const claimed = { finalizers: [finalizer], annotations: { 'vireo.dev/started': `web/${uid}` } };
    expect(seen).toMatchObject([claimed, claimed]);
    expect(lab.writes()).toEqual(['patch lab/web']);
    await lab.clock.advance(0);
    expect(passes).toEqual(['reconcile web']);
  });

  it('keeps the other finalizers, and never overwrites the stamp of another life', async () => {
    const lab = createLab();
    const metadata = { finalizers: ['other'], annotations: { 'vireo.dev/started': 'web/older' } };
    lab.user.seed(Guest, guest('web', { metadata }));
    lab.add({
      finalizer,
      stamp: () => ({ 'vireo.dev/started': 'web/newer' }),
      remove: async () => ({ outcome: done }),
    });
    await lab.start();
    expect((await lab.user.get(Guest, web)).metadata).toMatchObject({
      finalizers: ['other', finalizer],
      annotations: { 'vireo.dev/started': 'web/older' },
    });
  });

  it('is no ground for a pass when its write was refused', async () => {
    const lab = createLab({
      intercept: ({ verb }) => {
        if (verb === 'patch') throw new ApiError(500, 'InternalError', 'etcd is away');
      },
    });
    lab.user.seed(Guest, guest('web'));
    const passes = lab.add({ finalizer, remove: async () => ({ outcome: done }) });
    await lab.start();
    await lab.clock.advance(10_000);
    expect(passes).toEqual([]);
  });

  it('is removed only after the removal is done', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { metadata: { finalizers: [finalizer, 'other'] } }));
    let busy = true;
    const passes = lab.add({
      finalizer,
      remove: async () =>
        busy ? { outcome: waiting('Stopping', 'x', 1_000), status: running } : { outcome: done },
    });
    await lab.start();
    await lab.user.delete(Guest, web);
    await lab.clock.advance(3_000);
    expect((await lab.user.get(Guest, web)).metadata.finalizers).toEqual([finalizer, 'other']);
    expect((await lab.user.get(Guest, web)).status).toEqual(running);
    busy = false;
    await lab.clock.advance(1_000);
    expect((await lab.user.get(Guest, web)).metadata.finalizers).toEqual(['other']);
    const count = passes.length;
    await lab.clock.advance(30_000);
    expect(passes).toHaveLength(count);
    expect(passes[0]).toBe('reconcile web');
    expect(passes.slice(1).every((pass) => pass === 'remove web')).toBe(true);
  });

  it('is not removed when the removal failed', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { metadata: { finalizers: [finalizer] } }));
    lab.add({
      finalizer,
      remove: async () => {
        throw new Error('the volume is busy');
      },
    });
    await lab.start();
    await lab.user.delete(Guest, web);
    await lab.clock.advance(60_000);
    expect((await lab.user.get(Guest, web)).metadata.finalizers).toEqual([finalizer]);
  });

  it('is not added to an object that is being deleted, which never had a pass', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { metadata: { finalizers: ['other'] } }));
    await lab.user.delete(Guest, web);
    const passes = lab.add({ finalizer, remove: async () => ({ outcome: done }) });
    await lab.start();
    expect(passes).toEqual([]);
    expect(lab.writes()).toEqual(['delete lab/web']);
  });
});

describe('an object that is gone', () => {
  it('is told with its last state, and again until that is dealt with', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { spec: { cores: 7 } }));
    const told: string[] = [];
    lab.add({
      gone: async (key, last) => {
        told.push(`${key} ${last.spec.cores}`);
        if (told.length < 3) throw new ApiError(0, 'Unreachable', 'x');
        return done;
      },
    });
    await lab.start();
    await lab.user.delete(Guest, web);
    await lab.clock.advance(60_000);
    expect(told).toEqual(['lab/web 7', 'lab/web 7', 'lab/web 7']);
  });

  it('is dealt with before a new one of its name is touched', async () => {
    const lab = createLab();
    const first = lab.user.seed(Guest, guest('web'));
    const story: string[] = [];
    lab.add({
      gone: async (_key, last) => {
        story.push(`gone ${last.metadata.uid === first.metadata.uid ? 'first' : 'second'}`);
        return story.length < 3 ? waiting('Cleaning', 'x', 1_000) : done;
      },
      reconcile: async ({ object }) => {
        story.push(`reconcile ${object.metadata.uid === first.metadata.uid ? 'first' : 'second'}`);
        return { outcome: done };
      },
    });
    await lab.start();
    await lab.user.delete(Guest, web);
    await lab.user.create(Guest, guest('web'));
    await lab.clock.advance(10_000);
    expect(story).toEqual(['reconcile first', 'gone first', 'gone first', 'reconcile second']);
  });

  it('is not gone when the very same one comes back into the selection', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web', { status: { host: 'h1' } }));
    const informer = lab.manager.informers.informer(Guest, { fieldSelector: 'status.host=h1' });
    const told: string[] = [];
    let reachable = false;
    lab.add({
      informer,
      gone: async (key) => {
        told.push(key);
        return reachable ? done : waiting('Unreachable', 'x', 5_000);
      },
    });
    await lab.start();
    await lab.user.mergePatch(Guest, web, { status: { host: 'h2' } }, { subresource: 'status' });
    await lab.clock.advance(0);
    await lab.user.mergePatch(Guest, web, { status: { host: 'h1' } }, { subresource: 'status' });
    reachable = true;
    await lab.clock.advance(60_000);
    expect(told).toEqual(['lab/web']);
  });
});

describe('events', () => {
  it('tell what a pass says, once, and count repeats', async () => {
    const lab = createLab();
    lab.user.seed(Guest, guest('web'));
    lab.add({
      reconcile: async ({ event }) => {
        event('Warning', 'PoolMissing', 'make the pool "fast"');
        return { outcome: waiting('PoolMissing', 'x', 10_000) };
      },
    });
    await lab.start();
    await lab.clock.advance(300_000);
    const { items } = await lab.user.list(Event, { namespace: 'lab' });
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      reason: 'PoolMissing',
      type: 'Warning',
      involvedObject: { kind: 'Guest', name: 'web', namespace: 'lab' },
      source: { component: 'vireo-test', host: 'h1' },
    });
    expect(items[0]?.count).toBeGreaterThan(20);
    const patches = lab.user.writes().filter(({ kind, verb }) => kind.kind === 'Event' && verb === 'patch');
    expect(patches.length).toBeLessThanOrEqual(5);
  });

  it('never fail a pass', async () => {
    const lab = createLab({
      intercept: ({ kind }) => {
        if (kind.kind === 'Event') throw new ApiError(403, 'Forbidden', 'no');
      },
    });
    lab.user.seed(Guest, guest('web'));
    lab.add({
      reconcile: async ({ event }) => {
        event('Normal', 'Started', 'it runs');
        return { outcome: done, status: running };
      },
    });
    await lab.start();
    expect(lab.writes()).toEqual(['patch lab/web status']);
  });
});

describe('an orderly stop', () => {
  function slowLab() {
    const lab = createLab();
    lab.user.seed(Guest, guest('a'));
    lab.user.seed(Guest, guest('b'));
    let release = (): void => {};
    let aborted = false;
    const passes = lab.add({
      concurrency: 1,
      reconcile: ({ signal }) =>
        new Promise((resolve) => {
          release = () => resolve({ outcome: done, status: running });
          signal.addEventListener('abort', () => {
            aborted = true;
            resolve({ outcome: done, status: running });
          });
        }),
    });
    return { lab, passes, release: () => release(), aborted: () => aborted };
  }

  it('begins no pass and lets those under way end', async () => {
    const { lab, passes, release } = slowLab();
    await lab.start();
    lab.stop.abort();
    await settle();
    release();
    await lab.ended();
    expect(passes).toEqual(['reconcile a']);
    expect(lab.writes()).toEqual(['patch lab/a status']);
  });

  it('tells them to end after ten seconds', async () => {
    const { lab, aborted } = slowLab();
    await lab.start();
    lab.stop.abort();
    await lab.clock.advance(9_999);
    expect(aborted()).toBe(false);
    await lab.clock.advance(1);
    expect(aborted()).toBe(true);
    await lab.ended();
  });

  it('tells them at once when another may lead already, and lets them write nothing', async () => {
    const { lab, aborted } = slowLab();
    await lab.start();
    lab.stop.abort(new LeadershipLostError('vireo-manager'));
    await settle();
    expect(aborted()).toBe(true);
    await lab.ended();
    expect((await lab.user.get(Guest, { namespace: 'lab', name: 'a' })).status).toBeUndefined();
  });

  it('works before the server ever answered', async () => {
    const lab = createLab({
      intercept: () => {
        throw new ApiError(0, 'Unreachable', 'x');
      },
    });
    lab.add({});
    await lab.start();
    lab.stop.abort();
    await lab.clock.advance(0);
    await lab.ended();
    expect(lab.clock.pending()).toBe(0);
  });
});
