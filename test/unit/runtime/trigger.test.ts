import { describe, expect, it } from 'vitest';
import { atMostEvery } from '../../../src/runtime/trigger.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

/** Reasons that the test gives, told of at most once a second and key. */
function lab() {
  const clock = createFakeClock();
  const told: string[] = [];
  let tell = (_key: string): void => {};
  const often = {
    subscribe: (enqueue: (key: string) => void) => {
      tell = enqueue;
      return () => {
        tell = () => {};
      };
    },
  };
  const stop = atMostEvery(1_000, clock, often).subscribe((key) => told.push(key));
  const happens = (...keys: string[]): void => {
    for (const key of keys) tell(key);
  };
  return { clock, told, stop, happens };
}

describe('a trigger that tells of a key at most every second', () => {
  it('tells the first change at once, and of all that follow within the second only at its end', async () => {
    const { clock, told, happens } = lab();
    happens('local', 'local', 'other', 'local');
    expect(told).toEqual(['local', 'other']);
    await clock.advance(999);
    expect(told).toEqual(['local', 'other']);
    await clock.advance(1);
    expect(told).toEqual(['local', 'other', 'local']);
  });

  it('goes on so while changes come, and is quick again after a quiet second', async () => {
    const { clock, told, happens } = lab();
    happens('local', 'local');
    await clock.advance(1_000);
    happens('local');
    expect(told).toEqual(['local', 'local']);
    await clock.advance(1_000);
    expect(told).toEqual(['local', 'local', 'local']);
    await clock.advance(1_000);
    happens('local');
    expect(told).toHaveLength(4);
  });

  it('tells nothing any more when nobody listens', async () => {
    const { clock, told, happens, stop } = lab();
    happens('local', 'local');
    stop();
    await clock.advance(2_000);
    expect(told).toEqual(['local']);
  });
});
