import { describe, expect, it } from 'vitest';
import type { Disposition } from '../../../src/runtime/queue.ts';
import { createQueue } from '../../../src/runtime/queue.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';

/** A queue whose passes end when the test says so. */
function lab(concurrency = 1) {
  const clock = createFakeClock();
  const started: string[] = [];
  const open = new Map<string, (disposition: Disposition | Error) => void>();
  const queue = createQueue({
    clock,
    random: { float: () => 1, bytes: (length) => new Uint8Array(length) },
    concurrency,
    work: (key) =>
      new Promise((resolve, reject) => {
        started.push(key);
        open.set(key, (end) => (end instanceof Error ? reject(end) : resolve(end)));
      }),
  });
  const finish = async (key: string, end: Disposition | Error = { type: 'forget' }): Promise<void> => {
    open.get(key)?.(end);
    await settle();
  };
  return { clock, queue, started, finish };
}

describe('the work queue', () => {
  it('works on a key once however often it was added, in the order of first adding', async () => {
    const { queue, started, finish } = lab();
    for (const key of ['a', 'b', 'a', 'c', 'b', 'a']) queue.add(key);
    queue.start();
    for (const key of ['a', 'b', 'c']) await finish(key);
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('does not begin before it is started', () => {
    const { queue, started } = lab();
    queue.add('a');
    expect(started).toEqual([]);
  });

  it('never works on one key twice at once, and runs it once more when it was added meanwhile', async () => {
    const { queue, started, finish } = lab(4);
    queue.start();
    queue.add('a');
    queue.add('a');
    queue.add('a');
    expect(started).toEqual(['a']);
    await finish('a');
    expect(started).toEqual(['a', 'a']);
    await finish('a');
    expect(started).toEqual(['a', 'a']);
  });

  it('works on as many keys at once as it may', () => {
    const { queue, started } = lab(2);
    queue.start();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    expect(started).toEqual(['a', 'b']);
    expect(queue.size()).toEqual({ ready: 1, running: 2, delayed: 0 });
  });

  it('comes back after a wait, without a growing delay', async () => {
    const { clock, queue, started, finish } = lab();
    queue.start();
    queue.add('a');
    for (let round = 1; round <= 3; round += 1) {
      await finish('a', { type: 'after', delayMs: 5_000 });
      await clock.advance(4_999);
      expect(started).toHaveLength(round);
      await clock.advance(1);
      expect(started).toHaveLength(round + 1);
    }
  });

  it('takes the earliest of several delays, and a change at once', async () => {
    const { clock, queue, started, finish } = lab();
    queue.start();
    queue.addAfter('a', 10_000);
    queue.addAfter('a', 1_000);
    queue.addAfter('a', 5_000);
    await clock.advance(1_000);
    expect(started).toEqual(['a']);
    await finish('a', { type: 'after', delayMs: 60_000 });
    queue.add('a');
    expect(started).toEqual(['a', 'a']);
    await finish('a');
    await clock.advance(120_000);
    expect(started).toEqual(['a', 'a']);
  });

  it('backs off from 0.2 s to 60 s while it fails, and starts over after a success', async () => {
    const { clock, queue, started, finish } = lab();
    queue.start();
    queue.add('a');
    const waits: number[] = [];
    for (let round = 0; round < 11; round += 1) {
      await finish('a', round % 2 === 0 ? { type: 'retry' } : new Error('thrown'));
      const before = clock.monotonic();
      const count = started.length;
      while (started.length === count) await clock.advance(100);
      waits.push(clock.monotonic() - before);
    }
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    await finish('a');
    queue.add('a');
    await finish('a', { type: 'retry' });
    await clock.advance(200);
    expect(started).toHaveLength(14);
  });

  it('lets one failing key not delay another', async () => {
    const { queue, started, finish } = lab();
    queue.start();
    queue.add('bad');
    await finish('bad', { type: 'retry' });
    queue.add('good');
    expect(started).toEqual(['bad', 'good']);
  });

  it('stops beginning, and says when all under way has ended', async () => {
    const { clock, queue, started, finish } = lab();
    queue.start();
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 1);
    let ended = false;
    const stopping = queue.stop().then(() => {
      ended = true;
    });
    await settle();
    expect(ended).toBe(false);
    await finish('a', { type: 'again' });
    await stopping;
    queue.add('d');
    await clock.advance(60_000);
    expect(started).toEqual(['a']);
    expect(clock.pending()).toBe(0);
  });
});
