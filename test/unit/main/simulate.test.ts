/** `vireo simulate` as it is called: what it prints, how it exits, and what it keeps of a random story that fails. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { parseScenario } from '../../../src/cli/simulate/parse.ts';
import { randomScenario } from '../../../src/cli/simulate/random.ts';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import type { ScenarioFile } from '../../../src/cli/simulate/scenario.ts';
import { shrink } from '../../../src/cli/simulate/shrink.ts';
import { runRandom, runSimulate } from '../../../src/main/roles/simulate.ts';
import { realWorld } from '../../../src/main/world/world.ts';

const world = realWorld({ logLevel: 'error' });
const HEAD = { apiVersion: 'vireo.dev/v1alpha1', kind: 'Scenario' };
const POWER_CUT = {
  leader: 'n2',
  hosts: [{ name: 'n1', fencing: ['ipmi'] }, { name: 'n2' }, { name: 'n3' }],
  guests: [{ name: 'vm/a', host: 'n1' }],
  timeline: [{ at: '20s', host: 'n1', do: 'PowerOff' }],
  until: '60s',
};

let directory: string;
let said = { stdout: '', stderr: '' };

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vireo-simulate-'));
  said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true });
});

const optionsOf = (more: object = {}) => ({ seed: 1, output: 'json' as const, save: directory, ...more });

async function simulate(text: string, more: object = {}): Promise<number> {
  const file = join(directory, 'power-cut.yaml');
  await writeFile(file, text);
  return runSimulate(file, optionsOf(more), world);
}

const told = (body: object): string => stringify({ ...HEAD, ...body });

describe('vireo simulate', () => {
  it('ends with 0 when everything holds, and says as JSON what became of whom', async () => {
    const expected = { guests: { 'vm/a': { host: ['n2', 'n3'], running: true } } };
    expect(await simulate(told({ ...POWER_CUT, expect: expected }))).toBe(0);
    const { trace, ...report } = JSON.parse(said.stdout);
    expect(report).toMatchObject({
      ...{ scenario: 'power-cut', seed: 1, ok: true, violations: [], unmet: [], moves: [] },
      end: {
        ...{ at: 60, quorate: true },
        hosts: { n1: { state: 'Fenced', power: 'PoweredOff', network: 'Connected' } },
        guests: { 'vm/a': { host: 'n2', state: 'Started', running: true, epoch: 2, moves: 0 } },
      },
      fences: [{ host: 'n1', method: 'PowerOff' }],
      recoveries: [{ guest: 'vm/a', from: 'n1', to: 'n2', faultAt: 20 }],
    });
    expect(report.recoveries[0].startedAt - 20).toBeLessThanOrEqual(10);
    expect(Object.keys(trace[0])).toEqual(expect.arrayContaining(['at', 'actor', 'event', 'object']));
  });

  it('ends with 1 when it does not end as expected, and says how', async () => {
    const expected = { guests: { 'vm/a': { host: 'n1' } } };
    expect(await simulate(told({ ...POWER_CUT, expect: expected }), { output: 'text' })).toBe(1);
    expect(said.stdout).toContain('UNEXPECTED');
    expect(said.stdout).toContain('FAILED: power-cut');
  });

  it('writes what happened, a line each, and the same for the same seed', async () => {
    const trace = join(directory, 'trace');
    await simulate(told(POWER_CUT), { trace });
    const [first, lines] = [said.stdout, (await readFile(trace, 'utf8')).trim().split('\n')];
    expect(lines.map((line) => JSON.parse(line))).toEqual(JSON.parse(first).trace);
    said.stdout = '';
    await simulate(told(POWER_CUT));
    expect(said.stdout).toBe(first);
  });

  it.each([
    ['no YAML', '{', /power-cut\.yaml: ./],
    ['another kind', stringify({ ...HEAD, ...POWER_CUT, kind: 'Story' }), 'kind: must be Scenario'],
    ['a field nobody knows', told({ ...POWER_CUT, hots: [] }), 'hots: unknown field'],
    ['a guest on no host', told({ ...POWER_CUT, guests: [{ name: 'vm/a', host: 'n9' }] }), 'guests[0].host'],
    [
      'a guest of no group',
      told({ ...POWER_CUT, guests: [{ name: 'vm/a', group: 'g' }] }),
      'guests[0].group',
    ],
    ['one name twice', told({ ...POWER_CUT, hosts: [{ name: 'n1' }, { name: 'n1' }] }), 'hosts[1].name'],
    ['a leader that is no host', told({ ...POWER_CUT, leader: 'n9' }), 'leader: there is no host n9'],
    [
      'a deed nobody does',
      told({ ...POWER_CUT, timeline: [{ at: '1s', host: 'n1', do: 'Dance' }] }),
      'timeline[0]',
    ],
  ])('ends with 2 for %s, naming file and place', async (_what, text, place) => {
    expect(await simulate(text)).toBe(2);
    expect(said.stderr).toContain('power-cut.yaml: ');
    expect(said.stderr).toMatch(place);
    expect(said.stdout).toBe('');
  });

  it('ends with 2 where there is no file', async () => {
    expect(await runSimulate(join(directory, 'none.yaml'), optionsOf(), world)).toBe(2);
    expect(said.stderr).toContain('none.yaml: there is no such file');
  });
});

describe('vireo simulate --random', () => {
  it('ends with 0 when no invariant was broken', async () => {
    expect(await runRandom(2, optionsOf(), world)).toBe(0);
    expect(said.stdout).toContain('2 random runs from seed 1: no invariant was broken');
  });

  it('tells stories that can be kept as files', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const story = randomScenario(seed);
      expect(parseScenario(told(story), `seed ${seed}`)).toEqual(JSON.parse(JSON.stringify(story)));
    }
  });

  it('makes one that fails small, and read again it fails alike', () => {
    const breaks = (story: ScenarioFile) =>
      runScenario(story, {
        name: '',
        seed: 1,
        flaw: { engine: 'NoQuorum' },
        stopAtViolation: true,
      }).violations.some(({ invariant }) => invariant === 'S4');
    const whole = randomScenario(1);
    expect(breaks(whole)).toBe(true);
    const small = shrink(whole, breaks);
    const parts = ({ timeline = [], guests = [], hosts }: ScenarioFile) =>
      timeline.length + guests.length + hosts.length;
    expect(parts(small)).toBeLessThan(parts(whole));
    expect(breaks(parseScenario(told(small), 'kept'))).toBe(true);
  });
});
