/** What the agent of a host may write, and that it may write nothing else: roles and policies on a real (embedded) API server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BACKUP_KEYS } from '../../../../src/api/backupKeys.ts';
import { SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { CertificateSigningRequest, ConfigMap, Event, Lease, Secret } from '../../../../src/api/core.ts';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { Operation } from '../../../../src/api/kinds/operation.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { makeRequest } from '../../../../src/base/pki/certificates.ts';
import { type AccessLab, createAccessLab, tried } from './lab.ts';

let lab: AccessLab;

beforeAll(async () => {
  lab = await createAccessLab();
  await lab.guest('mine', 'h1');
  await lab.guest('other', 'h2');
  await lab.guest('nowhere');
  await lab.job(Operation, 'mine', { host: 'h1' });
  await lab.job(Operation, 'other', { host: 'h2' });
  await lab.job(Migration, 'away', { sourceHost: 'h1', targetHost: 'h2', guestUID: 'u', epoch: 3 });
  await lab.job(Migration, 'others', { sourceHost: 'h2', targetHost: 'h3', guestUID: 'u', epoch: 3 });
});

afterAll(() => lab.stop());

const NO = '403 Forbidden';
const named = (name: string) => ({ namespace: 'default', name });

function status(
  kind: typeof VirtualMachine | typeof Operation | typeof Migration,
  name: string,
  value: object,
) {
  return tried(
    lab.one.mergePatch(
      kind as typeof VirtualMachine,
      named(name),
      { status: value },
      { subresource: 'status' },
    ),
  );
}

function object(
  kind: typeof VirtualMachine | typeof Operation | typeof Migration,
  name: string,
  patch: object,
) {
  return tried(lab.one.mergePatch(kind as typeof VirtualMachine, named(name), patch));
}

describe('of guests, an agent', () => {
  it('writes the status of those that are placed on its host, and of no others', async () => {
    expect(await status(VirtualMachine, 'mine', { phase: 'Running' })).toBe('done');
    expect(await status(VirtualMachine, 'other', { phase: 'Running' })).toBe(NO);
    expect(await status(VirtualMachine, 'nowhere', { phase: 'Running' })).toBe(NO);
  });

  it('takes none, and gives away its own only with the next epoch', async () => {
    const to = (host: string, epoch: number) => ({
      placement: { host, epoch, since: '2026-01-01T00:00:00Z' },
    });
    expect(await status(VirtualMachine, 'other', to('h1', 4))).toBe(NO);
    expect(await status(VirtualMachine, 'nowhere', to('h1', 1))).toBe(NO);
    expect(await status(VirtualMachine, 'mine', to('h1', 4))).toBe(NO);
    expect(await status(VirtualMachine, 'mine', to('h2', 3))).toBe(NO);
    expect(await status(VirtualMachine, 'mine', to('h2', 5))).toBe(NO);
    expect(await status(VirtualMachine, 'mine', { placement: null })).toBe(NO);
    await lab.guest('moving', 'h1');
    expect(await status(VirtualMachine, 'moving', to('h2', 4))).toBe('done');
    expect(await status(VirtualMachine, 'moving', to('h1', 5))).toBe(NO);
  });

  it('writes its finalizer and its stamp, and nothing else of the object', async () => {
    const stamp = { annotations: { 'vireo.dev/started': 'mine/x' }, finalizers: ['vireo.dev/guest'] };
    expect(await object(VirtualMachine, 'mine', { metadata: stamp })).toBe('done');
    expect(await object(VirtualMachine, 'other', { metadata: stamp })).toBe(NO);
    expect(await object(VirtualMachine, 'mine', { metadata: { annotations: { a: 'b' } } })).toBe(NO);
    expect(await object(VirtualMachine, 'mine', { metadata: { labels: { a: 'b' } } })).toBe(NO);
    expect(await object(VirtualMachine, 'mine', { metadata: { finalizers: ['a.example/b'] } })).toBe(NO);
    expect(await object(VirtualMachine, 'mine', { spec: { memory: { size: '128Mi' } } })).toBe(NO);
    expect(await object(VirtualMachine, 'mine', { metadata: { finalizers: [] } })).toBe('done');
  });

  it('makes and deletes none', async () => {
    expect(await tried(lab.one.delete(VirtualMachine, named('mine')))).toBe(NO);
    const guest = await lab.one.get(VirtualMachine, named('mine'));
    const copy = { ...guest, metadata: { name: 'copy', namespace: 'default' } };
    expect(await tried(lab.one.create(VirtualMachine, copy))).toBe(NO);
  });
});

describe('of jobs, an agent', () => {
  it('writes operations of its host', async () => {
    expect(await status(Operation, 'mine', { phase: 'Running' })).toBe('done');
    expect(await object(Operation, 'mine', { metadata: { annotations: { 'vireo.dev/started': 'x' } } })).toBe(
      'done',
    );
    expect(await status(Operation, 'other', { phase: 'Running' })).toBe(NO);
    expect(await status(Operation, 'other', { host: 'h1' })).toBe(NO);
    expect(await status(Operation, 'mine', { host: 'h2' })).toBe(NO);
  });

  it('says of a migration what is for its side to say', async () => {
    expect(await status(Migration, 'away', { source: { state: 'Offering' }, phase: 'Copying' })).toBe('done');
    expect(
      await object(Migration, 'away', { metadata: { finalizers: ['vireo.dev/migration-source'] } }),
    ).toBe('done');
    expect(await status(Migration, 'away', { target: { state: 'Ready' } })).toBe(NO);
    expect(await status(Migration, 'away', { targetHost: 'h3' })).toBe(NO);
    expect(await status(Migration, 'others', { phase: 'Failed' })).toBe(NO);
    const target = lab.two.mergePatch(
      Migration,
      named('away'),
      { status: { target: { state: 'Ready' } } },
      { subresource: 'status' },
    );
    expect(await tried(target)).toBe('done');
    const source = lab.two.mergePatch(
      Migration,
      named('away'),
      { status: { phase: 'Succeeded' } },
      { subresource: 'status' },
    );
    expect(await tried(source)).toBe(NO);
  });
});

describe('of fence actions, an agent', () => {
  const about = {
    ...{ host: 'h3', incident: 'h3-x-1', bootID: 'x', term: 1, leaseVersion: '7' },
  };
  const make = (name: string, spec: object) => ({
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'FenceAction',
    metadata: { name },
    spec: { ...about, ...spec } as FenceAction['spec'],
  });
  const begin = (name: string, change: object = { status: { phase: 'Running' } }) =>
    tried(lab.one.mergePatch(FenceAction, { name }, change, { subresource: 'status' }));

  it('writes the status of those that name its host as their executor, makes and deletes none', async () => {
    const mine = make('mine', { method: 'Revoke', pool: 'red', executor: 'h1' });
    await lab.admin.create(FenceAction, mine);
    await lab.admin.create(FenceAction, make('other', { method: 'Revoke', pool: 'red', executor: 'h2' }));
    await lab.admin.create(FenceAction, make('power', { method: 'PowerOff', devices: ['bmc'] }));
    expect([await begin('mine'), await begin('other'), await begin('power')]).toEqual(['done', NO, NO]);
    const labels = { metadata: { labels: { a: 'b' } } };
    expect(await tried(lab.one.mergePatch(FenceAction, { name: 'mine' }, labels))).toBe(NO);
    expect(await tried(lab.one.delete(FenceAction, { name: 'mine' }))).toBe(NO);
    expect(await tried(lab.one.create(FenceAction, { ...mine, metadata: { name: 'more' } }))).toBe(NO);
    const { items } = await lab.one.list(FenceAction, { fieldSelector: 'spec.executor=h1' });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['mine']);
  });
});

describe('of hosts, an agent', () => {
  it('reports its own, and writes no spec, makes and deletes none', async () => {
    const report = (name: string) =>
      tried(lab.one.mergePatch(Host, { name }, { status: { agentVersion: '1' } }, { subresource: 'status' }));
    expect(await report('h1')).toBe('done');
    expect(await report('h2')).toBe(NO);
    expect(await tried(lab.one.mergePatch(Host, { name: 'h1' }, { spec: { unschedulable: false } }))).toBe(
      NO,
    );
    expect(await tried(lab.one.delete(Host, { name: 'h1' }))).toBe(NO);
    const made = { apiVersion: 'vireo.dev/v1alpha1', kind: 'Host', metadata: { name: 'h9' }, spec: {} };
    expect(await tried(lab.one.create(Host, made))).toBe(NO);
  });

  it("renews its own Lease, and neither another's nor the manager's", async () => {
    const renew = (name: string) =>
      tried(
        lab.one.mergePatch(
          Lease,
          { namespace: SYSTEM_NAMESPACE, name },
          { spec: { holderIdentity: 'h1_x', leaseDurationSeconds: 15 } },
        ),
      );
    const make = (name: string) =>
      tried(
        lab.one.create(Lease, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace: SYSTEM_NAMESPACE, name },
          spec: {},
        }),
      );
    expect(await renew('host-h1')).toBe('done');
    expect(await renew('host-h2')).toBe(NO);
    expect(await make('vireo-manager')).toBe(NO);
    expect(await make('host-h3')).toBe(NO);
  });

  it("states what its keeper guards in a Lease of its own, and nothing in another's", async () => {
    const state = (name: string, host: string) =>
      tried(
        lab.one.create(Lease, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { namespace: SYSTEM_NAMESPACE, name, annotations: { 'vireo.dev/keeper-host': host } },
          spec: {},
        }),
      );
    expect(await state('keeper-h2', 'h2')).toBe(NO);
    expect(await state('keeper-h2', 'h1')).toBe(NO);
    expect(await state('keeper-h1', 'h2')).toBe(NO);
    expect(await state('keeper-h1', 'h1')).toBe('done');
  });

  it('tells Events of its own', async () => {
    const tell = (host: string) => {
      const event = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace: 'default', name: `event-${host}` },
        involvedObject: { apiVersion: 'v1', kind: 'Namespace', name: 'default', namespace: 'default' },
        reason: 'Told',
        message: '',
        type: 'Normal',
        source: { component: 'vireo-agent', host },
      } as Event;
      return tried(lab.one.create(Event, event));
    };
    expect(await tell('h1')).toBe('done');
    expect(await tell('h2')).toBe(NO);
  });
});

describe('an agent', () => {
  it('reads no Secret, whatever its name, but the one with the keys of backups', async () => {
    const namespace = SYSTEM_NAMESPACE;
    expect(await tried(lab.one.list(Secret))).toBe(NO);
    expect(await tried(lab.one.list(Secret, { namespace }))).toBe(NO);
    for (const name of ['host-h1', 'host-h2', 'agent-ca'])
      expect(await tried(lab.one.get(Secret, { namespace, name }))).toBe(NO);
    expect(await tried(lab.one.find(Secret, BACKUP_KEYS))).toBe('done');
    expect(await tried(lab.one.find(Secret, { ...BACKUP_KEYS, namespace: 'default' }))).toBe(NO);
    expect(await tried(lab.one.mergePatch(Secret, BACKUP_KEYS, { data: {} }))).toBe(NO);
  });

  it('reads the ConfigMaps of the system, and writes none', async () => {
    const ref = { namespace: SYSTEM_NAMESPACE, name: 'kube-root-ca.crt' };
    expect(await tried(lab.one.get(ConfigMap, ref))).toBe('done');
    expect(await tried(lab.one.mergePatch(ConfigMap, ref, { data: { a: 'b' } }))).toBe(NO);
  });

  it('asks the signer of agents for certificates, no other, and approves none', async () => {
    const { request } = await makeRequest({ commonName: 'h1', names: [] });
    const ask = (signerName: string, name: string) =>
      tried(
        lab.one.create(CertificateSigningRequest, {
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name },
          spec: { request: Buffer.from(request).toString('base64'), signerName, usages: ['client auth'] },
        }),
      );
    expect(await ask('vireo.dev/agent', 'a')).toBe('done');
    expect(await ask('kubernetes.io/kube-apiserver-client', 'b')).toBe(NO);
    expect(await ask('vireo.dev/join', 'c')).toBe(NO);
    const conditions = [{ type: 'Approved', status: 'True', reason: 'Self', message: '' }];
    const approve = lab.one.mergePatch(
      CertificateSigningRequest,
      { name: 'a' },
      { status: { conditions } },
      { subresource: 'approval' },
    );
    expect(await tried(approve)).toBe(NO);
  });
});

describe('a Host', () => {
  const guests = [
    { uuid: 'u', kind: 'VirtualMachine', namespace: 'default', name: 'g', uid: 'x', epoch: 1, running: true },
  ];

  it('with guests is deleted only by who says its name', async () => {
    const { token } = await lab.establish('h5');
    const agent = lab.by(token);
    await agent.mergePatch(Host, { name: 'h5' }, { status: { guests } }, { subresource: 'status' });
    expect(await tried(lab.admin.delete(Host, { name: 'h5' }))).toBe(NO);
    await lab.admin.mergePatch(
      Host,
      { name: 'h5' },
      { metadata: { annotations: { 'vireo.dev/confirm-delete': 'yes' } } },
    );
    expect(await tried(lab.admin.delete(Host, { name: 'h5' }))).toBe(NO);
    await lab.admin.mergePatch(
      Host,
      { name: 'h5' },
      { metadata: { annotations: { 'vireo.dev/confirm-delete': 'h5' } } },
    );
    expect(await tried(lab.admin.delete(Host, { name: 'h5' }))).toBe('done');
  });

  it('takes its account, token, rights and Lease with it, and may come again as another', async () => {
    const first = await lab.establish('h6');
    const agent = lab.by(first.token);
    expect(await tried(agent.get(Host, { name: 'h6' }))).toBe('done');
    await lab.admin.delete(Host, { name: 'h6' });
    const again = await lab.establish('h6');
    expect(again.uid).not.toBe(first.uid);
    expect(await tried(agent.get(Host, { name: 'h6' }))).toBe('401 Unauthorized');
    expect(await tried(lab.by(again.token).get(Host, { name: 'h6' }))).toBe('done');
    await lab.admin.delete(Host, { name: 'h6' });
    const left = async () => {
      const leases = await lab.admin.list(Lease, { namespace: SYSTEM_NAMESPACE });
      const secrets = await lab.admin.list(Secret, { namespace: SYSTEM_NAMESPACE });
      return [...leases.items, ...secrets.items].map(({ metadata }) => metadata.name);
    };
    await expect.poll(left, { timeout: 10_000 }).not.toContain('host-h6');
  });
});
