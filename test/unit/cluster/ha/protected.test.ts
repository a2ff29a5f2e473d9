import { describe, expect, it } from 'vitest';
import { ClusterPolicy } from '../../../../src/api/kinds/clusterPolicy.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { protectionOf } from '../../../../src/cluster/recovery/protection.ts';
import { findCondition } from '../../../../src/runtime/conditions.ts';
import { host } from '../builders.ts';
import { createHaLab } from './haLab.ts';

const direct = (pool = 'shared') => ({
  disks: [{ name: 'root', pool, size: '1Gi', cache: 'none' as const }],
});

async function cluster(names?: readonly string[]) {
  const lab = await createHaLab(names);
  await lab.lead();
  await lab.switchOn();
  const said = (name: string) => findCondition(lab.guest(name).status?.conditions, 'Protected');
  return {
    ...lab,
    said,
    edit: async (name: string, spec: unknown) => {
      await lab.api.mergePatch(VirtualMachine, { namespace: 'default', name }, { spec });
      await lab.advance(1_000);
    },
    policy: async (spec: unknown) => {
      await lab.api.mergePatch(ClusterPolicy, { name: 'default' }, { spec });
      await lab.advance(3_000);
    },
    report: async (name: string, status: Host['status']) => {
      const now = lab.host(name);
      if (now !== undefined) lab.api.seed(Host, { ...now, status: { ...now.status, ...status } });
      await lab.advance(3_000);
    },
  };
}

describe('Protected', () => {
  it('is True of a guest that its host would be proven dead for, and that another may have', async () => {
    const lab = await cluster();
    await lab.addGuest('db', 'a', direct());
    expect(lab.said('db')).toMatchObject({ status: 'True', reason: 'SelfFencing' });
    lab.addDevice('bmc-a', { name: 'a', plug: 'a' });
    await lab.advance(3_000);
    expect(lab.said('db')).toMatchObject({ status: 'True', reason: 'DeviceReady' });
    await lab.resign();
  });

  it('is there only while high availability answers for the guest', async () => {
    const lab = await createHaLab();
    await lab.lead();
    await lab.addGuest('db', 'a', direct());
    await lab.addGuest('web', 'a', { ...direct(), ha: { mode: 'Ignored' } });
    const said = (name: string) => findCondition(lab.guest(name).status?.conditions, 'Protected');
    expect(said('db')).toBeUndefined();
    await lab.switchOn();
    expect(said('db')).toMatchObject({ status: 'True' });
    expect(said('web')).toBeUndefined();
    const ref = { namespace: 'default', name: 'db' };
    await lab.api.mergePatch(VirtualMachine, ref, { spec: { ha: { mode: 'Disabled' } } });
    await lab.advance(1_000);
    expect(said('db')).toBeUndefined();
    await lab.api.mergePatch(VirtualMachine, ref, { spec: { ha: { mode: 'Protected' } } });
    await lab.advance(1_000);
    expect(said('db')).toMatchObject({ status: 'True' });
    await lab.api.delete(ClusterPolicy, { name: 'default' });
    await lab.advance(3_000);
    expect(said('db')).toBeUndefined();
    await lab.resign();
  });

  it('is False where nothing would prove that the host is dead', async () => {
    const lab = await cluster();
    await lab.addGuest('db', 'a', direct());
    const cpu: NonNullable<Host['status']>['cpu'] = {
      count: 8,
      virtualization: 'none',
      accelerator: 'tcg',
      flags: ['hypervisor'],
    };
    await lab.report('a', { cpu });
    expect(lab.said('db')).toMatchObject({ status: 'False', reason: 'PausableHost' });
    expect(lab.said('db')?.message).toContain('FencingReady');
    await lab.policy({ selfFenceOfPausableHosts: 'GuestsMayRunTwice' });
    expect(lab.said('db')).toMatchObject({ status: 'True' });
    await lab.resign();
  });

  it('is False of volumes that no other host has, and of a guest that may be nowhere else', async () => {
    const lab = await cluster();
    await lab.addGuest('db', 'a', direct('local'));
    expect(lab.said('db')).toMatchObject({ status: 'False', reason: 'NoHost' });
    expect(lab.said('db')?.message).toContain('its volumes lie in local, which is not shared');
    await lab.addGuest('web', 'a', { ...direct(), placement: { host: 'a' } });
    expect(lab.said('web')?.message).toContain('spec.placement.host');
    await lab.addGuest('app', 'a', direct());
    await lab.report('b', { pools: [] });
    expect(lab.said('app')).toMatchObject({ status: 'True' });
    await lab.report('c', { pools: [] });
    expect(lab.said('app')).toMatchObject({ status: 'False', reason: 'NoHost' });
    expect(lab.said('app')?.message).toContain('no other host has shared');
    await lab.resign();
  });

  it('is False while its host may write later what it holds of a shared disk', async () => {
    const lab = await cluster();
    await lab.addGuest('db', 'a', {
      disks: [{ name: 'root', pool: 'shared', size: '1Gi', cache: 'writeback' }],
    });
    expect(lab.said('db')).toMatchObject({ status: 'False', reason: 'CacheNotFenced' });
    expect(lab.said('db')?.message).toContain('take cache: writeback out of these disks');
    await lab.edit('db', direct());
    expect(lab.said('db')).toMatchObject({ status: 'True' });
    const image = { name: 'image', pool: 'shared', size: '1Gi', readOnly: true };
    await lab.edit('db', { disks: [...direct().disks, image] });
    expect(lab.said('db')).toMatchObject({ status: 'True' });
    await lab.resign();
  });

  it('is False while paused, and says no more than that', async () => {
    const lab = await cluster();
    await lab.addGuest('db', 'a', direct('local'));
    await lab.policy({ haPaused: 'Freeze' });
    expect(lab.said('db')).toMatchObject({ status: 'False', reason: 'Paused' });
    await lab.policy({ haPaused: null });
    expect(lab.said('db')).toMatchObject({ reason: 'NoHost' });
    await lab.resign();
  });

  it('is written once for each guest, whatever else its host reports', async () => {
    const lab = await cluster();
    for (const name of ['p', 'q', 'r']) await lab.addGuest(name, 'a', direct());
    const before = lab.writes.length;
    for (let memory = 10; memory < 16; memory += 1)
      await lab.report('a', { allocatable: { cpu: 8, memory: `${memory}Gi` } });
    expect(lab.writes.slice(before).filter((write) => write.includes('Protected'))).toEqual([]);
    await lab.resign();
  });
});

describe('a container', () => {
  const at = '2026-01-01T00:00:00Z';
  const judge = (watchdog: 'Armed' | 'None') => {
    const ready = { type: 'FencingReady', status: 'True', reason: 'SelfFencing', message: '' } as const;
    const pool = { name: 'shared', healthy: true, snapshot: false, clone: false, thin: true, resize: true };
    const conditions = [{ ...ready, lastTransitionTime: at }];
    const on = (name: string) =>
      host(name, { conditions, pools: [pool], keeper: { bootID: 'b', term: 1, watchdog } });
    const API = 'vireo.dev/v1alpha1';
    const metadata = { name: 'db', namespace: 'default', uid: 'u', resourceVersion: '1' };
    const spec = { image: 'busybox', rootfs: { pool: 'shared', size: '1Gi' }, ha: {} };
    return protectionOf(
      {
        apiVersion: API,
        kind: 'Container',
        metadata,
        spec,
        status: { placement: { host: 'a', epoch: 1, since: at } },
      },
      {
        policy: {
          ...{ apiVersion: API, kind: 'ClusterPolicy', metadata: { name: 'default' } },
          spec: { selfFenceWithoutWatchdog: 'Allow' },
        },
        host: on('a'),
        hostsWith: () => [on('a'), on('b')],
        pool: (name) => ({
          ...{ apiVersion: API, kind: 'StoragePool', metadata: { name, uid: 'p', resourceVersion: '1' } },
          spec: { type: 'Directory', shared: true },
        }),
      },
    );
  };

  it('writes through the memory of its host: without a watchdog nothing ends that in time', () => {
    expect(judge('Armed')).toMatchObject({ status: 'True' });
    expect(judge('None')).toMatchObject({ status: 'False', reason: 'CacheNotFenced' });
  });
});
