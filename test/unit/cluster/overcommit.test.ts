/** `memoryOvercommit` of the ClusterPolicy: how much memory guests may be placed on, and that a change of it moves nobody. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import { Migration } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { destinationsOf } from '../../../src/cluster/migration/target.ts';
import { host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';
import { createHostsOnPaper } from './hostsOnPaper.ts';
import { movable } from './migrationLab.ts';

const gib = (count: number) => ({ memory: { size: `${count}Gi` } });
const POLICY = { name: 'default' };

describe('the factor on the memory of hosts', () => {
  it('counts for each host that says nothing itself, and reasons say what it is a factor of', () => {
    const own = { spec: { overcommit: { memoryPercent: 100 } } };
    const paper = createHostsOnPaper([host('h1'), host('h2', {}, own)]);
    paper.scheduler.overcommit(1.5);
    expect(paper.reason(machine('a', gib(24)), 'h1')).toBeUndefined();
    expect(paper.reason(machine('a', gib(25)), 'h1')).toBe('has not enough memory left of 16Gi x 1.5');
    expect(paper.reason(machine('a', gib(24)), 'h2')).toBe('has not enough memory left');
  });

  it('is one on what is left after what is reserved, and may leave some of it unused', () => {
    const paper = createHostsOnPaper([host('h1', {}, { spec: { reserved: { memory: '4Gi' } } })]);
    paper.scheduler.overcommit(0.5);
    expect(paper.reason(machine('a', gib(6)), 'h1')).toBeUndefined();
    expect(paper.reason(machine('a', gib(7)), 'h1')).toBe('has not enough memory left of 12Gi x 0.5');
  });

  it('counts for the target of a move', () => {
    const here = host('h1');
    const paper = createHostsOnPaper([here, host('h2')]);
    paper.promise('h2', 10 * 2 ** 30);
    const guest = machine('a', gib(10), movable('h1'));
    const { scheduler } = paper;
    const fits = () => destinationsOf({ guest, source: here, moves: 'Live', scheduler })[0]?.fits;
    expect(fits()).toBe(false);
    scheduler.overcommit(1.25);
    expect(fits()).toBe(true);
  });

  it('holds for hosts that come later, and ends when it is taken back', () => {
    const paper = createHostsOnPaper([]);
    paper.scheduler.overcommit(2);
    paper.report(host('h1'));
    expect(paper.put(machine('a', gib(30)))).toEqual({ host: 'h1' });
    paper.scheduler.overcommit(1);
    expect(paper.reason(machine('b'), 'h1')).toBe('has not enough memory left');
  });
});

/** One host of 16 GiB with two guests of 10 GiB that want to run. */
async function cluster(memoryOvercommit?: number) {
  const lab = createClusterLab();
  lab.addHosts(host('h1'));
  const spec = memoryOvercommit === undefined ? {} : { memoryOvercommit };
  lab.api.seed(ClusterPolicy, {
    ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'ClusterPolicy', metadata: POLICY },
    spec,
  });
  await lab.lead();
  for (const name of ['a', 'b']) lab.api.seed(VirtualMachine, machine(name, gib(10)));
  await lab.advance(1_000);
  const placed = () => ['a', 'b', 'c'].filter((name) => lab.machine(name)?.status?.placement !== undefined);
  const whyNot = (name: string) =>
    lab.machine(name)?.status?.conditions?.find(({ type }) => type === 'Scheduled')?.message;
  const set = async (factor: number | null) => {
    await lab.api.mergePatch(ClusterPolicy, POLICY, { spec: { memoryOvercommit: factor } });
    await lab.advance(1_000);
  };
  return { ...lab, placed, whyNot, set };
}

describe('a ClusterPolicy', () => {
  it('that says nothing of it lets hosts promise what they have; a guest that waits goes on when it is raised', async () => {
    const lab = await cluster();
    expect(lab.placed()).toHaveLength(1);
    await lab.set(1.2);
    const waits = lab.placed()[0] === 'a' ? 'b' : 'a';
    lab.api.seed(VirtualMachine, machine('c', gib(10)));
    await lab.advance(1_000);
    expect(lab.whyNot('c')).toBe('h1 has not enough memory left of 16Gi x 1.2');
    expect(lab.placed()).not.toContain(waits);
    await lab.set(2);
    expect(lab.placed()).toHaveLength(3);
    await lab.resign();
  });

  it('that lowers it moves nobody, and lets nobody new in', async () => {
    const lab = await cluster(1.5);
    expect(lab.placed()).toEqual(['a', 'b']);
    await lab.set(1);
    lab.api.seed(VirtualMachine, machine('c', gib(1)));
    await lab.advance(60_000);
    expect(lab.placed()).toEqual(['a', 'b']);
    expect(lab.whyNot('c')).toBe('h1 has not enough memory left');
    expect(lab.api.state.list(Migration)).toEqual([]);
    await lab.resign();
  });

  it('that is deleted takes it along', async () => {
    const lab = await cluster(1.5);
    await lab.api.delete(ClusterPolicy, POLICY);
    await lab.advance(5_000);
    lab.api.seed(VirtualMachine, machine('c', gib(1)));
    await lab.advance(2_000);
    expect([lab.placed(), lab.whyNot('c')]).toEqual([['a', 'b'], 'h1 has not enough memory left']);
    await lab.resign();
  });
});
