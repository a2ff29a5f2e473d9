/** Automatic rebalancing: hosts are evened out by Migrations, one after the other, and nothing is moved to and fro. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const GUESTS = ['g1', 'g2', 'g3', 'g4'];
const EVEN: ClusterPolicySpec = { rebalancing: { automatic: true, hold: '20s' } };
const LOAD: ClusterPolicySpec = { rebalancing: { automatic: true, by: 'Load', hold: '20s' } };
/** The longest that anything may take, and what is long enough to see that nothing is done. */
const LONG = 150_000;
const WHILE = 100_000;

/** Four guests on `a`, none on `b` and `c`. */
async function cluster(policy: ClusterPolicySpec, spec: (name: string) => object = () => ({})) {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn(policy);
  for (const name of GUESTS) {
    lab.failsOn.set(name, new Set());
    lab.seedGuest(name, 'a', spec(name));
  }
  await lab.advance(3_000);
  return lab;
}

const moves = (lab: HaLab) => lab.moves().map(({ metadata, spec }) => [metadata.name, spec.targetHost]);
const where = (lab: HaLab) =>
  GUESTS.flatMap((name) => lab.whereRuns(name))
    .sort()
    .join('');

describe('guests that all run on one host', () => {
  it('stay there by default', async () => {
    const lab = await cluster({});
    await lab.advance(WHILE);
    expect([moves(lab), where(lab)]).toEqual([[], 'aaaa']);
    await lab.resign();
  });

  it('are spread by as few moves as it takes, and then stay', async () => {
    const lab = await cluster(EVEN);
    await lab.until('they are spread', () => where(lab) === 'aabc', LONG);
    await lab.advance(WHILE);
    expect([moves(lab), where(lab), lab.twice]).toEqual([
      [
        ['ha-vm-g1-1-even', 'c'],
        ['ha-vm-g2-1-even', 'b'],
      ],
      'aabc',
      [],
    ]);
    await lab.resign();
  });

  it('are left alone until it has been so for the time asked for', async () => {
    const lab = await cluster({ rebalancing: { automatic: true, hold: '60s' } });
    await lab.advance(50_000);
    expect(moves(lab)).toEqual([]);
    await lab.until('the first moves', () => moves(lab).length > 0, LONG);
    await lab.resign();
  });

  it('are left alone while a move would gain too little', async () => {
    const lab = await cluster({ rebalancing: { automatic: true, margin: 1 } });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('are left alone while paused, and while a host is away', async () => {
    const lab = await cluster({ ...EVEN, haPaused: 'Freeze' });
    await lab.advance(60_000);
    lab.powerOff('c');
    await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { haPaused: null } });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    lab.powerOn('c');
    await lab.until('they are spread', () => where(lab) === 'aabc', LONG);
    await lab.resign();
  });

  it('are given to no host that is unschedulable, which is not waited for either', async () => {
    const lab = await cluster(EVEN);
    await lab.api.mergePatch(Host, { name: 'c' }, { spec: { unschedulable: true } });
    await lab.until('they are spread', () => where(lab) === 'aabb', LONG);
    await lab.resign();
  });

  it('go where their rules allow it, and never to a host that their group prefers less', async () => {
    const lab = await cluster(EVEN, (name) => (name === 'g1' ? { ha: { group: 'here' } } : {}));
    lab.addGroup('here', { hosts: [{ name: 'a', priority: 1 }, { name: 'b' }, { name: 'c' }] });
    lab.failsOn.set('far', new Set());
    lab.seedGuest('far', 'c', {
      placement: { keepApart: [{ policy: 'Required', guest: { kind: 'VirtualMachine', name: 'g2' } }] },
    });
    await lab.until('some have moved', () => moves(lab).length >= 2, LONG);
    await lab.advance(WHILE);
    expect(lab.whereRuns('g1')).toEqual(['a']);
    expect(lab.whereRuns('g2')).not.toEqual(lab.whereRuns('far'));
    expect(moves(lab).every(([name]) => name?.endsWith('-even'))).toBe(true);
    await lab.resign();
  });

  it('weigh what they ask for, if that is to count', async () => {
    const lab = await cluster({ rebalancing: { automatic: true, by: 'Requests', hold: '20s' } }, (name) => ({
      memory: { size: name === 'g4' ? '4Gi' : '256Mi' },
    }));
    await lab.until('the first moves', () => moves(lab).length > 0, LONG);
    await lab.advance(WHILE);
    const others = new Set(['g1', 'g2', 'g3'].flatMap((name) => lab.whereRuns(name)));
    expect(others).not.toContain(lab.whereRuns('g4')[0]);
    await lab.resign();
  });

  it('weigh what they really use, if that is to count, also those without protection', async () => {
    const lab = await cluster(LOAD, () => ({ memory: { size: '1Gi' } }));
    lab.seedGuest('other', 'c', { ha: { mode: 'Ignored' } });
    lab.loads.set('other', { cpu: 6, memory: '1Gi' });
    for (const name of GUESTS) lab.loads.set(name, { cpu: name === 'g3' ? 4 : 0.25, memory: '512Mi' });
    await lab.until('the first moves', () => moves(lab).length > 0, LONG);
    expect(moves(lab)[0]).toEqual(['ha-vm-g3-1-even', 'b']);
    await lab.advance(WHILE);
    expect([moves(lab).length, lab.whereRuns('g3'), lab.twice]).toEqual([1, ['b'], []]);
    await lab.resign();
  });

  it('count as what they ask for where nobody measures, once that is clear', async () => {
    const lab = await cluster(LOAD, (name) => ({ memory: { size: name === 'g4' ? '8Gi' : '256Mi' } }));
    await lab.advance(120_000);
    expect(moves(lab)).toEqual([]);
    await lab.until('the first moves', () => moves(lab).length > 0, 2 * LONG);
    await lab.advance(WHILE);
    const others = new Set(['g1', 'g2', 'g3'].flatMap((name) => lab.whereRuns(name)));
    expect(others).not.toContain(lab.whereRuns('g4')[0]);
    await lab.resign();
  });

  it('are left alone when they ask for much and use little of it, all alike', async () => {
    const lab = await cluster(LOAD, () => ({ memory: { size: '3Gi' } }));
    for (const [index, name] of GUESTS.entries()) lab.seedGuest(`x${index}`, name < 'g3' ? 'b' : 'c', {});
    for (const name of [...GUESTS, 'x0', 'x1', 'x2', 'x3'])
      lab.loads.set(name, { cpu: name.startsWith('g') ? 0.5 : 1, memory: '64Mi' });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('are evened out beside a host that guests without protection have filled', async () => {
    const lab = await cluster({
      rebalancing: { automatic: true, by: 'Requests', hold: '20s', margin: 0.01 },
    });
    lab.seedGuest('other', 'c', { ha: { mode: 'Ignored' }, memory: { size: '16Gi' } });
    await lab.until('a move', () => moves(lab).length > 0, LONG);
    expect(moves(lab)[0]?.[1]).toBe('b');
    await lab.resign();
  });
});

it.each([0, 1, 2])(
  'a leader that dies after %d writes leaves moves that the next one does not repeat',
  async (after) => {
    const lab = await cluster(EVEN);
    lab.dieAfter(after);
    await lab.until('the leader dies', lab.isDead, LONG);
    await lab.advance(2_000);
    await lab.succeed();
    await lab.until('they are spread', () => where(lab) === 'aabc', LONG);
    await lab.advance(60_000);
    expect([moves(lab).length, lab.twice]).toEqual([2, []]);
    await lab.resign();
  },
);
