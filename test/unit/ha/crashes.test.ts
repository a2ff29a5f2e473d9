/** S14: whoever writes crashes right after any of its writes, before it hears of it, and the cluster ends as if nobody had. */
import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import type { ScenarioFile } from '../../../src/cli/simulate/scenario.ts';
import { readStory } from './stories.ts';

/** Renewals of Leases are nobody's step: a keeper is no caller that crashes here. */
const WRITES = 25;

/** Stories in which one host alone will do for each guest, and the time at which they become interesting. */
const STORIES = [
  { story: 'groups/both-of-two-are-lost.yaml', at: '60s' },
  { story: 'rules/together-leaves-as-one.yaml', at: '30s' },
  { story: 'rules/apart-three-hosts-and-one-is-lost.yaml', at: '60s' },
  { story: 'groups/home-when-the-host-is-back.yaml', at: '60s' },
  { story: 'storage/revoked-pool-by-pool.yaml', at: '60s' },
  { story: 'pause/cut-off-while-paused-and-home-again.yaml', at: '60s' },
] as const;

function endOf(file: ScenarioFile) {
  const { end, violations, trace } = runScenario(file, { name: '', seed: 1 });
  const crashes = trace.filter(({ event }) => event === 'Crashed').length;
  const guests = Object.entries(end.guests).map(([name, { host, state, running }]) => [
    name,
    { host, state, running },
  ]);
  const hosts = Object.entries(end.hosts).map(([name, { state, power }]) => [name, { state, power }]);
  return {
    crashes,
    end: { guests: Object.fromEntries(guests), hosts: Object.fromEntries(hosts), violations },
  };
}

describe('a crash after any write ends as without it', () => {
  it.each(STORIES)('$story', ({ story, at }) => {
    const file = readStory(story);
    const undisturbed = endOf(file).end;
    let crashes = 0;
    expect(undisturbed.violations).toEqual([]);
    for (let nth = 1; nth <= WRITES; nth += 1) {
      const crash = { at, api: 'all', do: 'CrashesCaller', nth } as const;
      const timeline = [crash, ...(file.timeline ?? [])];
      const disturbed = endOf({ ...file, timeline });
      crashes += disturbed.crashes;
      expect({ nth, ...disturbed.end }).toEqual({ nth, ...undisturbed });
    }
    expect(crashes, 'a leader crashed now and then').toBeGreaterThan(3);
  });
});
