/** Random losses, returns, broken devices and dying leaders: no guest ever runs twice, and when all is well again each runs somewhere. */
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../world/seededRandom.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const GUESTS = ['g1', 'g2', 'g3', 'g4'];

type Deed = (lab: HaLab, host: string, dice: () => number) => void | Promise<void>;

const DEEDS: readonly Deed[] = [
  (lab, host) => lab.powerOff(host),
  (lab, host) => lab.cutOff(host),
  (lab, host) => lab.mend(host),
  (lab, host) => lab.powerOn(host),
  (lab, host) => void lab.faults.set(host, { unreachable: true }),
  (lab, host) => void lab.faults.set(host, { takesMs: 15_000 }),
  (lab, host) => void lab.faults.delete(host),
  (lab, host, dice) => void Object.assign(lab.machine(host), { watchdog: dice() < 0.7 }),
  async (lab, _, dice) => {
    lab.dieAfter(Math.floor(dice() * 6));
    await lab.advance(Math.floor(dice() * 10_000));
    await lab.succeed();
  },
];

async function story(seed: number): Promise<HaLab> {
  const random = seededRandom(seed);
  const dice = () => random.float();
  const pick = <T>(items: readonly T[]): T => items[Math.floor(dice() * items.length)] as T;
  const lab = await createHaLab(NAMES);
  for (const name of NAMES) lab.addDevice(`bmc-${name}`, { name, plug: name });
  if (seed % 2 === 0) lab.addSwitch(...NAMES);
  await lab.lead();
  await lab.switchOn();
  for (const guest of GUESTS) await lab.addGuest(guest, pick(NAMES));
  for (let deeds = 0; deeds < 8; deeds += 1) {
    await pick(DEEDS)(lab, pick(NAMES), dice);
    await lab.advance(Math.floor(dice() * 20_000));
  }
  for (const name of NAMES) {
    lab.faults.delete(name);
    lab.mend(name);
    lab.powerOn(name);
    lab.machine(name).watchdog = true;
  }
  await lab.succeed();
  return lab;
}

describe('random stories', () => {
  it.each(Array.from({ length: 12 }, (_, index) => index + 1))('number %i ends well', async (seed) => {
    const lab = await story(seed);
    const state = () =>
      JSON.stringify(GUESTS.map((name) => [name, lab.whereRuns(name), lab.guest(name).status]));
    await lab
      .until('all run', () => GUESTS.every((name) => lab.whereRuns(name).length === 1), 180_000)
      .catch((error: unknown) => {
        throw new Error(`${String(error)} ${state()} ${JSON.stringify(NAMES.map((name) => lab.ha(name)))}`);
      });
    await lab.advance(30_000);
    expect(lab.twice).toEqual([]);
    expect(GUESTS.map((name) => lab.whereRuns(name).length)).toEqual([1, 1, 1, 1]);
    await lab.resign();
  });
});
