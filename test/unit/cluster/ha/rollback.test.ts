/** The API was restored from an older copy: what it says of guests may be long over, and nobody is fenced or started elsewhere by it. */
import { describe, expect, it } from 'vitest';
import { Lease } from '../../../../src/api/core.ts';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../../src/api/meta.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { createHaLab, type HaLab } from './haLab.ts';

function report(lab: HaLab, name: string, incarnation: number): void {
  const host = lab.host(name);
  if (host === undefined) throw new Error(`no host ${name}`);
  lab.api.seed(Host, { ...host, status: { ...host.status, incarnation } });
}

function ready(lab: HaLab) {
  const policy = lab.api.state.get(ClusterPolicy, 'default') as Stored<ClusterPolicy> | undefined;
  return findCondition(policy?.status?.conditions, 'Ready');
}

/** A guest on a, and all hosts have reported to the first leader. */
async function reported(): Promise<HaLab> {
  const lab = await createHaLab();
  lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
  await lab.lead();
  await lab.switchOn();
  await lab.addGuest('db', 'a');
  for (const name of ['a', 'b', 'c']) report(lab, name, 1);
  return lab;
}

describe('an API that was rolled back', () => {
  it('fences and recovers nothing before every host has reported, and then does', async () => {
    const lab = await createHaLab();
    lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
    await lab.lead();
    await lab.switchOn();
    await lab.addGuest('db', 'a');
    report(lab, 'b', 7);
    report(lab, 'c', 0);
    await lab.until('it is known', () => ready(lab)?.reason === 'ControlPlaneRolledBack', 5_000);
    expect(ready(lab)?.message).toMatch(/^b has seen a later control plane.*delete the Host/);
    lab.powerOff('a');
    await lab.advance(120_000);
    expect([lab.actions(), lab.whereRuns('db')]).toEqual([[], []]);
    for (const name of ['b', 'c']) report(lab, name, 1);
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').length > 0, 60_000);
    expect([lab.whereRuns('db').includes('a'), lab.twice]).toEqual([false, []]);
    await lab.resign();
  });

  it('waits for a Lease that is of the copy, too: a host spoke before its keeper, and what it guards may be another', async () => {
    const lab = await reported();
    lab.cutOff('a');
    await lab.lead(1_000_007);
    await lab.until('it is known', () => ready(lab)?.reason === 'ControlPlaneRolledBack', 5_000);
    for (const name of ['a', 'b', 'c']) report(lab, name, 1_000_008);
    await lab.advance(60_000);
    expect(ready(lab)?.message).toMatch(
      /^the API was restored from an older copy, and a has not renewed its Lease yet:/,
    );
    expect([lab.actions(), lab.whereRuns('db').filter((host) => host !== 'a')]).toEqual([[], []]);
    lab.mend('a');
    await lab.until('it goes on', () => ready(lab)?.reason === 'Watching', 10_000);
    await lab.until('db runs', () => lab.whereRuns('db').length > 0, 60_000);
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('waits for no Lease of a host that has said to it that it ended in order: none follows', async () => {
    const lab = await reported();
    lab.powerOff('a');
    await lab.lead(1_000_007);
    await lab.until('it is known', () => ready(lab)?.reason === 'ControlPlaneRolledBack', 5_000);
    for (const name of ['a', 'b', 'c']) report(lab, name, 1_000_008);
    await lab.advance(5_000);
    expect(ready(lab)?.message).toMatch(/a has not renewed its Lease yet:/);
    const { status } = lab.host('a') ?? {};
    const { bootID = '', term = 0 } = status?.keeper ?? {};
    const at = new Date(lab.clock.now()).toISOString();
    const shutdown = { kind: 'PowerOff', bootID, term, since: at, stoppedAt: at } as const;
    lab.api.seed(Host, { ...lab.host('a'), status: { ...status, shutdown } } as Stored<Host>);
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').length > 0, 60_000);
    expect([lab.whereRuns('db').includes('a'), lab.ha('a')?.proof?.kind]).toEqual([false, 'OrderlyStop']);
    expect([lab.actions(), lab.twice]).toEqual([[], []]);
    await lab.resign();
  });

  it('and has been made a later one waits for every host all the same, under each leader', async () => {
    const lab = await reported();
    await lab.lead(1_000_007);
    await lab.until('it is known', () => ready(lab)?.reason === 'ControlPlaneRolledBack', 5_000);
    expect(ready(lab)?.message).toMatch(
      /^the API was restored from an older copy, and has not been told yet what runs on a, b, c:/,
    );
    lab.powerOff('a');
    for (const name of ['a', 'b']) report(lab, name, 1_000_008);
    await lab.advance(120_000);
    expect([lab.actions(), lab.whereRuns('db')]).toEqual([[], []]);
    report(lab, 'c', 1_000_008);
    await lab.until('db runs elsewhere', () => lab.whereRuns('db').length > 0, 60_000);
    expect([lab.whereRuns('db').includes('a'), lab.twice]).toEqual([false, []]);
    await lab.resign();
  });

  it('and speaks of a host that was being lost, takes no proof of that boot for what runs there in the next', async () => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.switchOn();
    await lab.addGuest('db', 'a');
    const old = { host: lab.host('a'), guest: lab.guest('db') };
    lab.powerOff('a');
    lab.powerOn('a');
    await lab.until('it runs again', () => lab.whereRuns('db').includes('a'));
    lab.cutOff('a');
    await lab.advance(4_700);
    const incident = { id: 'a-1', bootID: 'a1boot-0000', term: 1, since: '2026-01-01T00:00:00Z' };
    const ha = { ...old.host?.status?.ha, state: 'Fencing' as const, incident };
    lab.api.seed(Host, { ...(lab.host('a') as Stored<Host>), status: { ...lab.host('a')?.status, ha } });
    const placement = { host: 'a', epoch: 3, since: '2026-01-01T00:01:00Z' };
    const { ha: _said, ...status } = old.guest.status ?? {};
    lab.api.seed(VirtualMachine, { ...lab.guest('db'), status: { ...status, placement } });
    await lab.until('the boot before is proven to be over', () => lab.ha('a')?.proof?.kind === 'NewBoot');
    await lab.advance(60_000);
    expect(lab.twice).toEqual([]);
    expect(lab.guest('db').status).toMatchObject({
      placement: { ...placement, bootID: 'a2boot-0000' },
      ha: { state: 'Fencing', reason: 'WaitingForProof' },
    });
    lab.mend('a');
    await lab.until('it runs there again', () => lab.whereRuns('db').includes('a'));
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', epoch: 4, bootID: 'a2boot-0000' });
    await lab.resign();
  });

  /** db runs on a in its second boot, and a is cut off: the API knows the first, from its Lease too, and only the agent has spoken since. */
  async function lostInAnUnknownBoot() {
    const lab = await createHaLab();
    await lab.lead();
    await lab.switchOn();
    await lab.addGuest('db', 'a');
    const old = { host: lab.host('a'), guest: lab.guest('db'), lease: lab.lease('a') };
    lab.powerOff('a');
    lab.powerOn('a');
    await lab.until('it runs again', () => lab.whereRuns('db').includes('a'));
    lab.cutOff('a');
    lab.api.seed(Lease, old.lease);
    const ha = old.host?.status?.ha ?? { state: 'Online' as const };
    lab.api.seed(Host, { ...(lab.host('a') as Stored<Host>), status: { ...lab.host('a')?.status, ha } });
    const placement = { host: 'a', epoch: 3, since: '2026-01-01T00:01:00Z' };
    const { ha: _said, ...status } = old.guest.status ?? {};
    lab.api.seed(VirtualMachine, { ...lab.guest('db'), status: { ...status, placement } });
    return { lab, placement };
  }

  it('and whose host is lost when its agent alone has spoken: the guest waits, says so, and goes on once it is back', async () => {
    const { lab, placement } = await lostInAnUnknownBoot();
    await lab.until('the boot of its Lease is proven to be over', () => lab.ha('a')?.proof !== undefined);
    await lab.until('it says what it waits for', () => lab.guest('db').status?.ha?.message !== undefined);
    await lab.advance(60_000);
    expect(lab.twice).toEqual([]);
    expect(lab.guest('db').status).toMatchObject({
      placement: { ...placement, bootID: '' },
      ha: { state: 'Fencing', reason: 'WaitingForProof', message: expect.stringContaining('in which boot') },
    });
    lab.mend('a');
    await lab.until('it runs there again', () => lab.whereRuns('db').includes('a'));
    await lab.until('it is watched again', () => lab.guest('db').status?.ha?.state === 'Started');
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', bootID: 'a2boot-0000' });
    expect(lab.twice).toEqual([]);
    await lab.resign();
  });

  it('and whose host is back before it has ended anything: the guest runs on there, and nowhere else', async () => {
    const { lab } = await lostInAnUnknownBoot();
    await lab.until('it is waited for', () => lab.guest('db').status?.ha?.state === 'Fencing');
    lab.mend('a');
    await lab.until('it is watched again', () => lab.guest('db').status?.ha?.state === 'Started');
    await lab.advance(60_000);
    expect([lab.whereRuns('db'), lab.twice]).toEqual([['a'], []]);
    expect(lab.guest('db').status?.placement).toMatchObject({ host: 'a', bootID: 'a2boot-0000' });
    await lab.resign();
  });
});
