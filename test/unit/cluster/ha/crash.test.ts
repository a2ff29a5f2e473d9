/** The leader dies between any two of its writes; its successor knows only what is stored, and ends where the first would have. */
import { describe, expect, it } from 'vitest';
import { createHaLab, type HaLab } from './haLab.ts';

async function cluster(devices: boolean): Promise<HaLab> {
  const lab = await createHaLab();
  if (devices) lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  return lab;
}

/** Writes of a leader that nothing happens to, from the loss of its host until all is quiet. */
async function writesOfStory(devices: boolean): Promise<number> {
  const lab = await cluster(devices);
  const before = lab.writes.length;
  lab.powerOff('a');
  await lab.advance(90_000);
  await lab.resign();
  return lab.writes.length - before;
}

describe.each([
  ['a fence device', true],
  ['self-fencing alone', false],
])('a host lost with %s', (_, devices) => {
  it('is survived by its guest wherever the leader died', async () => {
    const count = await writesOfStory(devices);
    expect(count).toBeGreaterThan(6);
    for (let after = 0; after < count; after += 1) {
      const lab = await cluster(devices);
      lab.powerOff('a');
      lab.dieAfter(after);
      await lab.until(`the leader dies after ${after} writes`, lab.isDead, 120_000);
      await lab.advance(2_000);
      await lab.succeed();
      await lab.until(`it runs elsewhere though the leader died after ${after} writes`, () =>
        lab.whereRuns('db').some((name) => name !== 'a'),
      );
      await lab.advance(60_000);
      expect([after, lab.twice, lab.guest('db').status?.placement?.epoch]).toEqual([after, [], 2]);
      await lab.resign();
    }
  }, 120_000);

  it('is judged by what the new leader has seen itself: it waits for as long as the first would have', async () => {
    const lab = await cluster(false);
    lab.cutOff('a');
    await lab.advance(14_000);
    await lab.succeed();
    const tookMs = await lab.until('it runs elsewhere', () => lab.whereRuns('db').includes('b'));
    expect(tookMs).toBeGreaterThanOrEqual(15_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});

describe('a fence that has succeeded', () => {
  it('is not done again by the next leader', async () => {
    const lab = await cluster(true);
    lab.powerOff('a');
    await lab.until('it is off', () => lab.actions().some(({ status }) => status?.phase === 'PoweredOff'));
    await lab.succeed();
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').some((name) => name !== 'a'));
    await lab.advance(30_000);
    expect(lab.switched.filter((what) => what === 'a Off')).toHaveLength(1);
    await lab.resign();
  });
});
