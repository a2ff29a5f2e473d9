/** What guests use, as their host tells it: smoothed, seldom, and only while balance by load is asked for. */
import { describe, expect, it } from 'vitest';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../src/api/kinds/clusterPolicy.ts';
import { createLab } from './lab.ts';

const MIB = 2 ** 20;
const LONG = 600_000;
const BY_LOAD: ClusterPolicySpec = { rebalancing: { by: 'Load' } };

/** A machine that runs, and uses what the story says: CPUs in any ten seconds, memory now. */
async function host(spec: ClusterPolicySpec = BY_LOAD) {
  const use = { cpus: () => 1, memoryBytes: () => 512 * MIB };
  let cpuSeconds = 0;
  let asked = 0;
  let at: number | undefined;
  const lab = createLab({
    usage: async () => {
      asked += 1;
      const now = lab.clock.monotonic();
      cpuSeconds += (use.cpus() * (now - (at ?? now))) / 1_000;
      at = now;
      return { cpuSeconds, memoryBytes: use.memoryBytes() };
    },
  });
  lab.createPool('local');
  lab.user.seed(ClusterPolicy, {
    ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'ClusterPolicy', metadata: { name: 'default' } },
    spec,
  });
  lab.createMachine('web');
  const agent = await lab.start();
  await lab.until('it runs', () => lab.conditionOf(lab.machine('web'), 'Ready')?.status === 'True');
  // Its start is news of its own.
  await lab.clock.advance(5_000);
  const writes: unknown[] = [];
  lab.api.intercept = ({ kind, verb, body }) => {
    if (kind.kind === 'Host' && verb !== 'get' && verb !== 'watch' && verb !== 'list') writes.push(body);
  };
  const load = () => lab.host()?.status?.guests?.[0]?.load;
  return { lab, agent, use, writes, load, asked: () => asked };
}

describe('a host', () => {
  it('measures and says nothing unless balance is by load', async () => {
    const { lab, agent, writes, load, asked } = await host({ rebalancing: { by: 'Requests' } });
    await lab.clock.advance(LONG);
    expect([asked(), load(), writes]).toEqual([0, undefined, []]);
    await agent.stop();
  });

  it('says once what a guest uses, and nothing more while that is much the same', async () => {
    const { lab, agent, use, writes, load } = await host();
    let turn = 0;
    use.cpus = () => [0.8, 1.3, 0.9, 1.2][turn++ % 4] ?? 1;
    use.memoryBytes = () => (512 + (turn % 3) * 40) * MIB;
    await lab.clock.advance(LONG);
    expect([1, 1.25]).toContain(load()?.cpu);
    expect(writes).toHaveLength(1);
    await lab.clock.advance(LONG);
    expect(writes).toHaveLength(1);
    await agent.stop();
  });

  it('says it again when it has changed by much and for a while, not for one busy moment', async () => {
    const { lab, agent, use, writes, load } = await host();
    await lab.clock.advance(LONG);
    expect(load()).toEqual({ cpu: 1, memory: '512Mi' });
    use.cpus = () => 2;
    await lab.clock.advance(10_000);
    use.cpus = () => 1;
    await lab.clock.advance(LONG);
    expect(writes).toHaveLength(1);
    use.cpus = () => 3;
    await lab.clock.advance(LONG);
    expect([2.75, 3]).toContain(load()?.cpu);
    expect(writes.length).toBeLessThanOrEqual(4);
    await agent.stop();
  });

  it('writes once a minute at most, however much it changes', async () => {
    const { lab, agent, use, writes } = await host();
    use.cpus = () => (Math.floor(lab.clock.monotonic() / 90_000) % 2) * 4;
    await lab.clock.advance(LONG);
    expect(writes.length).toBeGreaterThan(2);
    expect(writes.length).toBeLessThanOrEqual(LONG / 60_000);
    await agent.stop();
  });

  it('takes the figures back when they are asked for no more', async () => {
    const { lab, agent, load } = await host();
    await lab.clock.advance(LONG);
    await lab.user.mergePatch(ClusterPolicy, { name: 'default' }, { spec: { rebalancing: null } });
    await lab.clock.advance(30_000);
    expect(load()).toBeUndefined();
    await agent.stop();
  });
});
