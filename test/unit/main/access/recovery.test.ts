/**
 * High availability on a real (embedded) API server, the manager with no more rights than its manifests give it: what it stores passes schemas and
 * policies. Hosts are Leases and statuses that their own accounts write.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  hostLeaseName,
  KEEPER_HOST_ANNOTATION,
  keeperLeaseName,
  STARTED_ANNOTATION,
  SYSTEM_NAMESPACE,
} from '../../../../src/api/cluster.ts';
import { Lease } from '../../../../src/api/core.ts';
import { timingsOf } from '../../../../src/api/haPolicy.ts';
import { writeStatement } from '../../../../src/api/keeperLease.ts';
import { ClusterPolicy, type ClusterPolicySpec } from '../../../../src/api/kinds/clusterPolicy.ts';
import { FenceAction } from '../../../../src/api/kinds/fenceAction.ts';
import { HAGroup } from '../../../../src/api/kinds/haGroup.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { confirmFence } from '../../../../src/cli/confirm.ts';
import type { Client } from '../../../../src/client/contract.ts';
import { type AccessLab, createAccessLab, tried } from './lab.ts';

const API = 'vireo.dev/v1alpha1';
/** A seventh of what hosts need: nothing here is a host. */
const timings: NonNullable<ClusterPolicySpec['timings']> = {
  ...{
    renewInterval: '200ms',
    observation: '100ms',
    pause: '400ms',
    leaseDuration: '700ms',
    excuseAge: '1s',
  },
  ...{ askInterval: '100ms', answerTimeout: '100ms', freezeAfter: '800ms', selfFenceAfter: '1800ms' },
  ...{ killTime: '200ms', watchdogTimeout: '1s', margin: '200ms', selfFenceWait: '2200ms' },
  ...{ leaderLease: '1s', leaderRenewDeadline: '800ms' },
};
const stated = timingsOf({ timings });

let lab: AccessLab;
const silent = new Set<string>();
const unarmed = new Set<string>();
const beating: Promise<void>[] = [];
const over = new AbortController();

beforeAll(async () => {
  lab = await createAccessLab();
  const three = lab.by((await lab.establish('h3')).token);
  await lab.lead();
  await lab.admin.create(ClusterPolicy, {
    ...{ apiVersion: API, kind: 'ClusterPolicy', metadata: { name: 'default' } },
    spec: { timings },
  });
  for (const [name, client] of [
    ['h1', lab.one],
    ['h2', lab.two],
    ['h3', three],
  ] as const)
    beating.push(beat(name, client));
  await lab.admin.create(HAGroup, {
    ...{ apiVersion: API, kind: 'HAGroup', metadata: { name: 'g' } },
    spec: { hosts: [{ name: 'h3', priority: 2 }, { name: 'h1' }, { name: 'h2' }] },
  });
});

afterAll(async () => {
  over.abort();
  await Promise.all(beating);
  await lab.stop();
});

const bootOf = (name: string) => `${name}-boot-1`;

/** Renews both Leases and reports, as the agent and the keeper of the host would. */
async function beat(name: string, client: Client): Promise<void> {
  const host = await client.get(Host, { name });
  const at = '2026-01-01T00:00:00Z';
  const ready = {
    type: 'AgentReady',
    status: 'True',
    reason: 'AgentReady',
    message: '',
    lastTransitionTime: at,
  };
  await client.mergePatch(
    Host,
    { name },
    {
      status: {
        keeper: { bootID: bootOf(name), term: 1, watchdog: 'Armed' },
        conditions: [...(host.status?.conditions ?? []), ready],
        ...{ allocatable: { cpu: 8, memory: '16Gi' }, inventoryAt: at, incarnation: 1, lxc: '5' },
        cpu: { count: 8, virtualization: 'none', accelerator: 'tcg' },
      },
    },
    { subresource: 'status' },
  );
  let sequence = 0;
  let acknowledgedAt = lab.world.clock.monotonic();
  while (!over.signal.aborted) {
    if (!silent.has(name)) {
      sequence += 1;
      const sentAt = lab.world.clock.monotonic();
      const policy = await lab.admin.get(ClusterPolicy, { name: 'default' });
      const { items } = await lab.admin.list(VirtualMachine);
      const guarded = items
        .filter(({ status }) => status?.placement?.host === name && status.placement.bootID === bootOf(name))
        .map(({ metadata, status }) => `${metadata.uid}@${status?.placement?.epoch}`);
      const annotations = {
        [KEEPER_HOST_ANNOTATION]: name,
        ...writeStatement({
          ...{ bootID: bootOf(name), term: 1, sequence, sentAt, acknowledgedAt, armed: !unarmed.has(name) },
          ...{ pausable: false, hears: [], timings: stated, guarded },
          votesVersion: policy.status?.votes?.version ?? 0,
        }),
      };
      await renew(client, { name: keeperLeaseName(name), annotations });
      await renew(client, { name: hostLeaseName(name) });
      acknowledgedAt = sentAt;
    }
    await lab.world.clock.sleep(200, over.signal).catch(() => undefined);
  }
}

async function renew(client: Client, metadata: { name: string; annotations?: Record<string, string> }) {
  const ref = { namespace: SYSTEM_NAMESPACE, name: metadata.name };
  const renewTime = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: metadata.name, leaseDurationSeconds: 15, renewTime };
  if ((await client.find(Lease, ref)) === undefined)
    await client.create(Lease, {
      ...{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', spec },
      metadata: { ...ref, ...metadata },
    });
  else await client.mergePatch(Lease, ref, { metadata, spec });
}

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 150; tries += 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await lab.world.clock.sleep(100);
  }
  throw new Error(`never: ${what}`);
}

const machine = (name: string) => lab.admin.get(VirtualMachine, { namespace: 'default', name });

async function protect(name: string, on: string): Promise<void> {
  await lab.guest(name, on);
  await lab.admin.mergePatch(
    VirtualMachine,
    { namespace: 'default', name },
    {
      // Its host has begun it.
      metadata: { annotations: { [STARTED_ANNOTATION]: `${name}/${(await machine(name)).metadata.uid}` } },
      spec: { ha: { group: 'g', priority: 3 } },
    },
  );
  await until('the word', async () => (await machine(name)).status?.placement?.bootID === bootOf(on));
}

describe('a host that falls silent', () => {
  it('is proven dead by its own Lease, and its guest goes to the host its group prefers', async () => {
    await protect('db', 'h1');
    await until('the Lease lists it', async () => {
      const ref = { namespace: SYSTEM_NAMESPACE, name: keeperLeaseName('h1') };
      return (await lab.admin.get(Lease, ref)).metadata.annotations?.['vireo.dev/guarded'] !== '';
    });
    silent.add('h1');
    const { status } = await until('it is placed anew', async () => {
      const db = await machine('db');
      return db.status?.placement?.host !== 'h1' && db;
    });
    expect(status).toMatchObject({ placement: { host: 'h3', epoch: 4 }, ha: { epoch: 4 } });
    const { status: host } = await lab.admin.get(Host, { name: 'h1' });
    expect(host?.ha).toMatchObject({ state: 'Fenced', proof: { kind: 'SelfFence', bootID: bootOf('h1') } });
    await until(
      'everybody sees it',
      async () => (await lab.admin.get(Host, { name: 'h1' })).status?.state === 'Fenced',
    );
    silent.delete('h1');
  }, 30_000);

  it('without a watchdog waits for a person, whose word is bound to who they are', async () => {
    unarmed.add('h2');
    await protect('web', 'h2');
    silent.add('h2');
    const incident = await until('the incident', async () => {
      const { status } = await lab.admin.get(Host, { name: 'h2' });
      return status?.ha?.state === 'Fencing' && status.ha.incident;
    });
    const { id, bootID, term } = incident;
    const forged = lab.admin.create(FenceAction, {
      ...{ apiVersion: API, kind: 'FenceAction', metadata: { name: 'forged' } },
      spec: { host: 'h2', incident: id, bootID, term, method: 'Manual', confirmedBy: 'somebody-else' },
    });
    expect(await tried(forged)).toBe('403 Forbidden');
    const clock = lab.world.clock;
    expect(await confirmFence(lab.admin, 'h2', { clock, timeoutMs: 10_000 })).toContain('proof Manual');
    await until('it is placed anew', async () => (await machine('web')).status?.placement?.host !== 'h2');
    const action = await lab.admin.get(FenceAction, { name: `${id}-manual` });
    expect(action.spec.confirmedBy).not.toBe('somebody-else');
  }, 30_000);
});
