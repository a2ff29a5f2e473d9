/** Strict rules that guests have broken where they run: mended by as few moves as may be, or waited for with who is concerned. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { NeighbourRule } from '../../../../src/api/placement.ts';
import { createHaLab, type HaLab } from './haLab.ts';

const WHILE = 90_000;

type Story = Readonly<Record<string, { on: string; apart?: string[]; together?: string[]; memory?: string }>>;

const required = (names: readonly string[]): NeighbourRule[] =>
  names.map((name) => ({ policy: 'Required', guest: { kind: 'VirtualMachine', name } }));

/** Guests that run where they should not. */
async function cluster(story: Story) {
  const lab = await createHaLab();
  await lab.lead();
  await lab.switchOn();
  for (const [name, { on, apart = [], together = [], memory = '64Mi' }] of Object.entries(story)) {
    lab.failsOn.set(name, new Set());
    const placement = { keepApart: required(apart), keepTogether: required(together) };
    lab.seedGuest(name, on, { placement, memory: { size: memory } });
  }
  await lab.advance(3_000);
  return lab;
}

const moves = (lab: HaLab) => lab.moves().map(({ metadata }) => metadata.name);
const hostsOf = (lab: HaLab, ...names: string[]) => names.flatMap((name) => lab.whereRuns(name));
const ruleBroken = (lab: HaLab, name: string) => lab.guest(name).status?.ha;

describe('guests that must keep apart and run on one host', () => {
  it('are parted by one move, and stay so', async () => {
    const lab = await cluster({ one: { on: 'a', apart: ['two'] }, two: { on: 'a', apart: ['one'] } });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual(['ha-vm-two-1-rule']);
    expect(hostsOf(lab, 'one', 'two')).toEqual(['a', 'b']);
    expect([ruleBroken(lab, 'two')?.reason, lab.twice]).toEqual([undefined, []]);
    await lab.resign();
  });

  it('are parted by moving the one whom all others avoid', async () => {
    const lab = await cluster({
      db1: { on: 'a', apart: ['noisy'] },
      db2: { on: 'a', apart: ['noisy'] },
      db3: { on: 'a', apart: ['noisy'] },
      noisy: { on: 'a', apart: ['db1', 'db2', 'db3'] },
    });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual(['ha-vm-noisy-1-rule']);
    await lab.resign();
  });

  it('wait with the reason while no host will do, and are parted when one can', async () => {
    const lab = await cluster({
      one: { on: 'a', apart: ['two'], memory: '5Gi' },
      two: { on: 'a', apart: ['one'], memory: '5Gi' },
      'full-b': { on: 'b', memory: '12Gi' },
      'full-c': { on: 'c', memory: '12Gi' },
    });
    await lab.until('it says so', () => ruleBroken(lab, 'two')?.reason === 'RuleBroken', WHILE);
    expect(ruleBroken(lab, 'two')?.message).toMatch(
      /^a has a guest that .*keepApart names \(VirtualMachine\/default\/one\): no other host will do: b has not enough memory/,
    );
    const said = lab.guest('two').metadata.resourceVersion;
    await lab.advance(60_000);
    expect([moves(lab), lab.guest('two').metadata.resourceVersion]).toEqual([[], said]);
    await lab.api.delete(VirtualMachine, { namespace: 'default', name: 'full-c' });
    await lab.until('they are parted', () => hostsOf(lab, 'one', 'two').join() === 'a,c', WHILE);
    await lab.until('nothing is said of it', () => ruleBroken(lab, 'one')?.reason === undefined);
    await lab.resign();
  });

  it('and together as well are left where they are, and are told so', async () => {
    const lab = await cluster({ one: { on: 'a', apart: ['two'], together: ['two'] }, two: { on: 'a' } });
    await lab.until('it says so', () => ruleBroken(lab, 'one')?.reason === 'RuleBroken', WHILE);
    expect(ruleBroken(lab, 'one')?.message).toContain('its rules ask for both');
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('are all told so, also where that takes more than one round', async () => {
    const names = Array.from({ length: 25 }, (_, index) => `g${index}`);
    const bound = (index: number) => {
      const other = [names[(index + 1) % names.length] ?? ''];
      return { on: 'a', apart: other, together: other };
    };
    const lab = await cluster(Object.fromEntries(names.map((name, index) => [name, bound(index)])));
    const told = () => names.filter((name) => ruleBroken(lab, name)?.reason === 'RuleBroken').length;
    await lab.until('the first are told', () => told() > 0, WHILE);
    await lab.until('all are told', () => told() === names.length, 3_000);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('are moved by nobody while high availability is paused', async () => {
    const lab = await cluster({ one: { on: 'a', apart: ['two'] }, two: { on: 'a' } });
    await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { haPaused: 'Freeze' } });
    await lab.advance(WHILE);
    expect(moves(lab)).toEqual([]);
    await lab.resign();
  });

  it('are parted once wherever the leader died', async () => {
    for (let after = 0; after < 4; after += 1) {
      const lab = await cluster({ one: { on: 'a', apart: ['two'] }, two: { on: 'a', apart: ['one'] } });
      lab.dieAfter(after);
      await lab.advance(60_000);
      await lab.succeed();
      await lab.until('they are parted', () => hostsOf(lab, 'one', 'two').join() === 'a,b', WHILE);
      await lab.advance(60_000);
      expect([after, moves(lab)]).toEqual([after, ['ha-vm-two-1-rule']]);
      await lab.resign();
    }
  }, 30_000);
});

describe('guests that must keep together and run on two hosts', () => {
  it('come together where most of them are', async () => {
    const lab = await cluster({
      one: { on: 'a', together: ['two', 'three'] },
      two: { on: 'b', together: ['one', 'three'] },
      three: { on: 'b', together: ['one', 'two'] },
    });
    await lab.advance(WHILE);
    expect([moves(lab), hostsOf(lab, 'one', 'two', 'three')]).toEqual([
      ['ha-vm-one-1-rule'],
      ['b', 'b', 'b'],
    ]);
    await lab.resign();
  });
});

describe('a guest whose restricted group does not have its host any more', () => {
  it('goes to a host of the group', async () => {
    const lab = await createHaLab();
    lab.addGroup('g', { hosts: [{ name: 'a' }, { name: 'c' }], restricted: true });
    await lab.lead();
    await lab.switchOn();
    lab.failsOn.set('db', new Set());
    await lab.addGuest('db', 'a', { ha: { group: 'g' } });
    await lab.api.mergePatch(HAGroup, { name: 'g' }, { spec: { hosts: [{ name: 'c' }] } });
    await lab.until('it is there', () => lab.whereRuns('db').join() === 'c', WHILE);
    await lab.resign();
  });
});
