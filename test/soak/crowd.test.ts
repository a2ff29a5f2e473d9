import { expect, it } from 'vitest';
import { holdCrowd } from './crowd.ts';

/** `npm run soak` does the same with ten thousand. */
const watchers = 1_000;

it('a thousand watchers are all told, and leave nothing behind when they go', async () => {
  const { told, bytesEach, bytesLeft } = await holdCrowd(watchers);
  expect(told).toBe(watchers);
  expect(bytesEach).toBeLessThan(60 * 1024);
  expect(bytesLeft).toBeLessThan(10 * 2 ** 20);
}, 60_000);
