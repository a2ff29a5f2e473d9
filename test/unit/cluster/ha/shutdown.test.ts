/** Hosts that are shut down in order say so: nothing is fenced, and what becomes of their guests is the policy's to say. */
import { describe, expect, it } from 'vitest';
import type { ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host, type HostSpec } from '../../../../src/api/kinds/host.ts';
import { createHaLab, type HaLab } from './haLab.ts';

type Kind = 'Reboot' | 'PowerOff';

/** A guest on `a`, whose power can be cut. */
async function running(spec: ClusterPolicySpec = {}, host: Partial<HostSpec> = {}): Promise<HaLab> {
  const lab = await createHaLab();
  lab.addDevice('bmc', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn(spec);
  if (Object.keys(host).length > 0) await lab.editHost('a', host);
  await lab.addGuest('db', 'a');
  return lab;
}

/** What the agent of `a` writes while it goes down; `stopped`: it has come to the end. */
function says(lab: HaLab, kind: Kind, stopped: boolean): void {
  const host = lab.host('a');
  const { bootID = '', term = 0 } = host?.status?.keeper ?? {};
  if (host === undefined) throw new Error('there is no host a');
  const since = '2026-01-01T00:00:00Z';
  const shutdown = { kind, bootID, term, since, ...(stopped ? { stoppedAt: since } : {}) };
  lab.api.seed(Host, { ...host, status: { ...host.status, shutdown } });
}

function goDown(lab: HaLab, kind: Kind): void {
  lab.machine('a').running.clear();
  lab.powerOff('a');
  says(lab, kind, true);
}

describe('a host that is switched off', () => {
  it('gives its guests away at once, and is not fenced', async () => {
    const lab = await running();
    says(lab, 'PowerOff', false);
    await lab.advance(2_000);
    goDown(lab, 'PowerOff');
    await lab.advance(4_000);
    expect(lab.whereRuns('db')).toEqual(['b']);
    expect(lab.ha('a')).toMatchObject({ state: 'Offline', proof: { kind: 'OrderlyStop' } });
    expect([lab.actions(), lab.switched, lab.twice]).toEqual([[], [], []]);
    await lab.resign();
  });

  it('keeps them by Freeze, its own or that of the cluster, and takes nobody meanwhile', async () => {
    const lab = await running({ shutdownPolicy: 'Failover' }, { shutdownPolicy: 'Freeze' });
    goDown(lab, 'PowerOff');
    await lab.advance(60_000);
    expect(lab.whereRuns('db')).toEqual([]);
    expect(lab.guest('db').status?.ha?.state).toBe('Frozen');
    expect(lab.actions()).toEqual([]);
    await lab.resign();
  });
});

describe('a host that restarts', () => {
  it('has its guests wait, and starts them again in its new life', async () => {
    const lab = await running();
    goDown(lab, 'Reboot');
    await lab.advance(20_000);
    expect([lab.whereRuns('db'), lab.guest('db').status?.ha?.state]).toEqual([[], 'Frozen']);
    lab.powerOn('a');
    await lab.until('it runs', () => lab.whereRuns('db').length > 0);
    expect(lab.whereRuns('db')).toEqual(['a']);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 2, bootID: 'a2boot-0000' });
    expect([lab.actions(), lab.twice]).toEqual([[], []]);
    await lab.resign();
  });

  it('loses them when it does not come back within freezeDeadline', async () => {
    const lab = await running({ freezeDeadline: '1m' });
    goDown(lab, 'Reboot');
    await lab.advance(50_000);
    expect(lab.whereRuns('db')).toEqual([]);
    await lab.advance(20_000);
    expect(lab.whereRuns('db')).toEqual(['b']);
    expect(lab.actions()).toEqual([]);
    await lab.resign();
  });

  it('loses them after rebootGrace by Failover', async () => {
    const lab = await running({ shutdownPolicy: 'Failover', rebootGrace: '30s' });
    goDown(lab, 'Reboot');
    await lab.advance(25_000);
    expect(lab.whereRuns('db')).toEqual([]);
    await lab.advance(15_000);
    expect(lab.whereRuns('db')).toEqual(['b']);
    await lab.resign();
  });
});

describe('a host that announced its end and never came to it', () => {
  it('is fenced like any other that is silent', async () => {
    const lab = await running();
    says(lab, 'PowerOff', false);
    lab.powerOff('a');
    await lab.until('it runs elsewhere', () => lab.whereRuns('db').length > 0);
    expect(lab.actions().map(({ spec }) => spec.host)).toEqual(['a']);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('is not believed for a life that it did not speak of', async () => {
    const lab = await running();
    says(lab, 'PowerOff', true);
    const host = lab.host('a');
    if (host?.status?.shutdown === undefined) throw new Error('nothing was said');
    // The agent was started again in the same boot: it guards its guest in another term, and has not taken the word back yet.
    const { shutdown } = host.status;
    lab.api.seed(Host, { ...host, status: { ...host.status, shutdown: { ...shutdown, term: 0 } } });
    await lab.advance(30_000);
    expect(lab.whereRuns('db')).toEqual(['a']);
    expect(lab.ha('a')?.state).toBe('Online');
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });
});
