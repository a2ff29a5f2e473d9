/** A piece of the random requests that `npm run soak` sends in full; which piece depends on the day, so that all get their turn. */
import { afterEach, expect, it } from 'vitest';
import { type Embedded, startEmbedded } from '../contract/apiserver/embedded.ts';
import { definitionForSoak } from './definition.ts';
import { fuzz } from './fuzz.ts';

/** As many pieces as make the hundred thousand. */
const pieces = 40;
const perPiece = 2_500;
const budgetMs = 15_000;

let server: Embedded | undefined;
afterEach(async () => server?.stop());

it('random requests get answers that are in order', async () => {
  server = await startEmbedded();
  await definitionForSoak(server.target);
  const seed = Math.floor(Date.now() / 86_400_000) % pieces;
  const deadline = performance.now() + budgetMs;
  const report = await fuzz(server.target, {
    seed,
    count: perPiece,
    until: () => performance.now() > deadline,
  });
  expect(report.faults, `seed ${seed}`).toEqual([]);
  expect(report.codes.get(200)).toBeGreaterThan(0);
  expect(report.codes.get(422)).toBeGreaterThan(0);
}, 60_000);
