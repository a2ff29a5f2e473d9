import { describe, expect, it } from 'vitest';
import type { KeeperLink } from '../../../src/agent/guarding.ts';
import { ClusterPolicy } from '../../../src/api/kinds/clusterPolicy.ts';
import { createLab } from './lab.ts';

/** A keeper that is only ever asked how it is. */
function createKeeperStub() {
  const asked: string[] = [];
  const never = () => Promise.reject(new Error('a witness guards nothing'));
  const link: KeeperLink = {
    state: async () => {
      asked.push('state');
      return { life: { bootID: 'boot-1', term: 1 }, isOpen: true, guarded: [], watchdog: 'None' };
    },
    guard: never,
    release: never,
    retire: never,
    end: async () => void asked.push('end'),
  };
  return { link, asked };
}

describe('a witness', () => {
  it('is a host that says so, has an inventory and a keeper, and runs no guests', async () => {
    const keeper = createKeeperStub();
    const lab = createLab({ keeper: keeper.link, witness: true });
    lab.createPool('local');
    lab.createMachine('web');
    lab.user.seed(ClusterPolicy, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'ClusterPolicy',
      metadata: { name: 'default' },
      spec: {},
    });
    const agent = await lab.start();
    await lab.until('it has a keeper', () => lab.host()?.status?.keeper !== undefined);
    expect(lab.host()?.status).toMatchObject({ witness: true, guests: [], incarnation: 1 });
    expect(lab.host()?.status?.inventoryAt).toBeDefined();
    expect(lab.host()?.status?.pools).toEqual([]);
    await lab.clock.advance(10_000);
    expect(keeper.asked).toContain('state');
    expect(lab.machine('web')?.status?.conditions?.find(({ type }) => type === 'Ready')).toBeUndefined();
    await agent.stop();
  });

  it('is refused where there are guests, which run on', async () => {
    const host = createLab({ keeper: createKeeperStub().link });
    host.createPool('local');
    host.createMachine('web');
    const agent = await host.start();
    await host.until('it runs', () => host.conditionOf(host.machine('web'), 'Ready')?.status === 'True');
    await agent.stop();
    const witness = createLab({ witness: true, before: host });
    const refused = await witness.start();
    await witness.clock.advance(1_000);
    await expect(refused.stop()).rejects.toThrow('vireo drain');
  });

  it('that becomes a host again no longer says so', async () => {
    const lab = createLab({ witness: true });
    const witness = await lab.start();
    await lab.until('it says so', () => lab.host()?.status?.witness === true);
    await witness.stop();
    const later = createLab({ before: lab });
    const agent = await later.start();
    await later.until('it is a host', () => lab.host()?.status?.witness === undefined);
    await agent.stop();
  });
});
