/** The manager looks when something follows from a silence, not when its next look would have been. */
import { describe, expect, it } from 'vitest';
import type { HostState, View } from '../../../../src/cluster/ha/model.ts';
import { dueIn } from '../../../../src/cluster/recovery/due.ts';
import { createHaLab } from './haLab.ts';

const timings = { leaseDuration: 4_500, freezeAfter: 5_000, killTime: 2_000 };

/** Hosts by name, with their state, and for how long each was not heard. */
function view(hosts: Record<string, { state?: HostState; silent: number; unheard?: number }>): View {
  const of = (name: string) => hosts[name] ?? { silent: 0 };
  return {
    now: 0,
    policy: { timings },
    hosts: new Map(
      Object.entries(hosts).map(([name, { state = 'Online' }]) => [name, { name, record: { state } }]),
    ),
    observer: {
      lease: () => ({ timings }),
      silentFor: (name: string) => of(name).silent,
      unheardFor: (name: string) => of(name).unheard ?? Number.POSITIVE_INFINITY,
    },
  } as unknown as View;
}

describe('the next look', () => {
  it.each([
    ['at a host that is heard is when it would be suspected', { a: { silent: 800 } }, 3_700],
    ['is for the one that has been silent the longest', { a: { silent: 100 }, b: { silent: 4_400 } }, 100],
    [
      'at one that is being fenced is when a device is believed',
      { a: { state: 'Fencing', silent: 6_800 } },
      200,
    ],
    [
      'waits for peers too, which have heard it later',
      { a: { state: 'Fencing', silent: 6_800, unheard: 6_000 } },
      1_000,
    ],
    [
      'is no hurry where all that could follow has',
      { a: { silent: 6_000 }, b: { state: 'Fencing', silent: 9_000 } },
      Infinity,
    ],
    ['is no hurry for one that was never heard', { a: { silent: Infinity } }, Infinity],
  ] as const)('%s', (_, hosts, ms) => {
    expect(dueIn(view(hosts))).toBe(ms);
  });
});

it.each([500, 410, 380])(
  'a device is believed at the first moment that allows it, not at the next look, each %i ms',
  async (observation) => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.switchOn({ timings: { observation: `${observation}ms` } });
    lab.addDevice('strip', { name: 'a', plug: 'a' });
    await lab.addGuest('db', 'a');
    lab.powerOff('a');
    await lab.until('it is suspected', () => lab.ha('a')?.state !== 'Online');
    const tookMs = await lab.until('it is proven dead', () => lab.ha('a')?.proof !== undefined);
    expect(tookMs).toBeLessThanOrEqual(2_550);
    expect(lab.ha('a')?.proof?.kind).toBe('PowerOff');
    await lab.resign();
  },
);
