/** The agent of a host that is asked to take a pool from another one, and of one from which it was taken. */
import { describe, expect, it } from 'vitest';
import { keeperLeaseName, SYSTEM_NAMESPACE } from '../../../src/api/cluster.ts';
import { Lease } from '../../../src/api/core.ts';
import { FenceAction } from '../../../src/api/kinds/fenceAction.ts';
import { Host, type HostStatus } from '../../../src/api/kinds/host.ts';
import { createCrasher } from './crasher.ts';
import { createLab, type Lab } from './lab.ts';

const API = 'vireo.dev/v1alpha1';
const BOOT = { bootID: 'boot-9', term: 1 };
const LOST = { host: 'lost', bootID: 'boot-9' };
const SINCE = '2026-01-01T00:00:00Z';
const OPEN: NonNullable<HostStatus['ha']> = {
  ...{ state: 'Fencing', life: BOOT, revoked: BOOT.bootID },
  incident: { id: 'lost-1', ...BOOT, since: SINCE },
};

/** A host `lost` of which this is stored, a shared pool, and a FenceAction that asks h1. */
function asked(ha = OPEN, change: Partial<FenceAction['spec']> = {}): Lab {
  const lab = createLab({ config: { poolPaths: ['/srv'] } });
  lab.createPool('red', { directory: { path: '/srv/red' }, shared: true });
  lab.user.seed(Host, {
    ...{ apiVersion: API, kind: 'Host', metadata: { name: 'lost' }, spec: {} },
    status: { ha, incarnation: 1, inventoryAt: SINCE },
  });
  const lease = lab.user.seed(Lease, {
    ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', spec: {} },
    metadata: { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName('lost') },
  });
  const leaseVersion = lease.metadata.resourceVersion;
  const spec = {
    host: 'lost',
    incident: 'lost-1',
    ...BOOT,
    method: 'Revoke',
    pool: 'red',
    executor: 'h1',
  } as const;
  lab.user.seed(FenceAction, {
    ...{ apiVersion: API, kind: 'FenceAction', metadata: { name: 'lost-1-revoke-red-0' } },
    spec: { ...spec, leaseVersion, ...change },
  });
  return lab;
}

const action = (lab: Lab) => lab.user.state.get(FenceAction, 'lost-1-revoke-red-0') as FenceAction;
const isTaken = (lab: Lab, { host, bootID } = LOST) => lab.disk.has(`/srv/red/revoked/${host}@${bootID}`);
const isOver = (lab: Lab) => action(lab).status?.completedAt !== undefined;
const poolOf = (lab: Lab) => lab.host()?.status?.pools?.find(({ name }) => name === 'red');

describe('an agent that is asked to take a pool from a host', () => {
  it('does so, says it, and says of the pool that it can', async () => {
    const lab = asked();
    const agent = await lab.start();
    await lab.until('it is over', () => isOver(lab));
    expect(action(lab).status).toMatchObject({ phase: 'Revoked' });
    expect(isTaken(lab)).toBe(true);
    await lab.until('it is reported', () => poolOf(lab)?.healthy === true);
    expect(poolOf(lab)?.revoke).toBe(true);
    await agent.stop();
  });

  it.each<[string, typeof OPEN, Partial<FenceAction['spec']>]>([
    ['the host has renewed its Lease since', OPEN, { leaseVersion: '1' }],
    ['the incident is over', { state: 'Online', life: BOOT, revoked: BOOT.bootID }, {}],
    ['the incident is another one', OPEN, { incident: 'lost-2' }],
    ['the boot is another one', OPEN, { bootID: 'boot-8' }],
    ['the Host does not say that it may be', { ...OPEN, revoked: 'boot-8' }, {}],
  ])('refuses when %s', async (_, ha, change) => {
    const lab = asked(ha, change);
    const agent = await lab.start();
    await lab.until('it is over', () => isOver(lab));
    expect(action(lab).status).toMatchObject({ phase: 'Refused' });
    expect(action(lab).status?.startedAt).toBeUndefined();
    await lab.clock.advance(10_000);
    expect(isTaken(lab)).toBe(false);
    await agent.stop();
  });

  it('leaves alone what another is asked, and what was given up before it began', async () => {
    const lab = asked(OPEN, { executor: 'h2' });
    const agent = await lab.start();
    const other = action(lab);
    lab.user.seed(FenceAction, {
      ...other,
      metadata: { name: 'late' },
      spec: { ...other.spec, executor: 'h1' },
      status: { phase: 'Failed', completedAt: SINCE },
    });
    await lab.clock.advance(20_000);
    expect([action(lab).status, isTaken(lab)]).toEqual([undefined, false]);
    await agent.stop();
  });

  it('says that it has begun before it does, and ends what it had begun after a crash at any line', async () => {
    const whole = asked();
    const first = await whole.start();
    await whole.until('it is over', () => isOver(whole));
    const effects = first.crasher.effects();
    const [begun, told] = [
      effects.indexOf('revocations.revoke') - 1,
      effects.indexOf('revocations.revoke') + 1,
    ];
    await first.stop();
    for (let at = begun; at <= told + 1; at += 1)
      for (const when of ['before', 'after'] as const) {
        const lab = asked();
        const dying = await lab.start(createCrasher(at, when));
        for (let passed = 0; passed < 10_000 && !dying.crasher.isDead(); passed += 100) {
          if (isTaken(lab)) expect(action(lab).status?.startedAt).toBeDefined();
          await lab.clock.advance(100);
        }
        const next = await lab.start();
        await lab.until(`it is over after a crash ${when} ${at}`, () => isOver(lab), 60_000);
        expect([at, when, action(lab).status?.phase, isTaken(lab)]).toEqual([at, when, 'Revoked', true]);
        await next.stop();
      }
  });
});

describe('an agent of a host from which a pool was taken', () => {
  it('says so in this boot, starts nothing there, and goes on when it is given back', async () => {
    const lab = asked();
    lab.disk.set('/srv/red/revoked/h1@boot-1', '');
    lab.createMachine('web', { disks: [{ name: 'root', pool: 'red', size: '1Gi' }] });
    const agent = await lab.start();
    await lab.until('it says so', () => poolOf(lab)?.reason === 'StorageRevoked');
    expect(poolOf(lab)).toMatchObject({ healthy: false });
    expect(poolOf(lab)?.message).toContain('restart the host');
    expect(lab.conditionOf(lab.host(), 'StorageReady')?.status).toBe('False');
    await lab.clock.advance(30_000);
    expect(lab.starts(lab.idOf('VirtualMachine', 'web'))).toBe(0);
    lab.disk.delete('/srv/red/revoked/h1@boot-1');
    await lab.until('web runs', () => lab.starts(lab.idOf('VirtualMachine', 'web')) === 1);
    await agent.stop();
  });
});
