/**
 * The times that are promised, exactly: from the loss of a host to its guest running elsewhere, whenever in the rhythm of renewals and rounds it is lost. A
 * start takes two seconds in them, as does a fence.
 */
import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import type { ScenarioFile } from '../../../src/cli/simulate/scenario.ts';

const START_S = 2;
/** A renewal comes each second, a round twice in it. */
const MOMENTS = Array.from({ length: 20 }, (_, index) => `${(20 + index * 0.05).toFixed(2)}s`);

type Loss = { host?: object; do?: string; leader?: string; policy?: ScenarioFile['policy'] };

/** The longest of all moments, in seconds. */
function longest({ host = {}, do: what = 'PowerOff', leader = 'n2', policy = {} }: Loss): number {
  const times = MOMENTS.map((at) => {
    const story: ScenarioFile = {
      ...{ policy, leader, until: '60s' },
      hosts: [{ name: 'n1', ...host }, { name: 'n2' }, { name: 'n3' }],
      guests: [{ name: 'vm/a', host: 'n1' }],
      timeline: [{ at, host: 'n1', do: what }],
    };
    const { violations, recoveries } = runScenario(story, { name: '', seed: 1 });
    expect(violations).toEqual([]);
    expect(recoveries).toHaveLength(1);
    return recoveries.map(({ startedAt, faultAt }) => startedAt - faultAt);
  });
  return Math.max(...times.flat());
}

const FENCED = { fencing: ['ipmi'] };
const BARE = { watchdog: 'none' };
const ALLOWED = { selfFenceWithoutWatchdog: 'Allow' } as const;

describe('a guest runs elsewhere', () => {
  it.each<[string, number, Loss]>([
    ['10 s after a power cut, with a device that answers in two', 10, { host: FENCED }],
    ['3 s later when the manager was lost with it', 13, { host: FENCED, leader: 'n1' }],
    ['25 s after a power cut, with a watchdog alone', 25, {}],
    ['25 s after its network was cut, with a watchdog alone', 25, { do: 'CutNetwork' }],
    ['25 s after a power cut, with a watchdog alone and the manager lost', 25, { leader: 'n1' }],
    [
      '19 s after a power cut, where a host without a watchdog is believed',
      19,
      { host: BARE, policy: ALLOWED },
    ],
  ])('at most %s', (_what, seconds, loss) => {
    expect(longest(loss)).toBeLessThanOrEqual(seconds);
  });

  it.each(['n2', 'n1'])('and starts 5 s after its host is switched off in order, %s leading', (leader) => {
    expect(longest({ do: 'Shutdown', leader }) - START_S).toBeLessThanOrEqual(5);
  });
});
