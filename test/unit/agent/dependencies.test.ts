/** A guest that depends on others is started after them, on whatever hosts they are, and not for ever later. */
import { describe, expect, it } from 'vitest';
import { hostLeaseName, SYSTEM_NAMESPACE } from '../../../src/api/cluster.ts';
import { Lease } from '../../../src/api/core.ts';
import type { Dependency } from '../../../src/api/guest.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Condition } from '../../../src/api/meta.ts';
import { createLab, type Lab } from './lab.ts';

const onDb = (more: Partial<Dependency> = {}): Dependency[] => [
  { kind: 'VirtualMachine', name: 'db', condition: 'Ready', ...more },
];
const runs = (lab: Lab, name: string) =>
  lab
    .lives('machines')
    .some(({ id, state }) => id === lab.idOf('VirtualMachine', name) && state === 'Running');
const told = (lab: Lab, name = 'web') => lab.conditionOf(lab.machine(name), 'DependenciesReady');

const isTrue = (...types: string[]): Condition[] =>
  types.map((type) => ({
    ...{ type, status: 'True', reason: 'Running', message: '' },
    lastTransitionTime: '2026-01-01T00:00:00Z',
  }));

/** Another host, by what the API says of it; `db` is placed there with epoch 2. */
function otherHost(lab: Lab) {
  const db = lab.user.seed(VirtualMachine, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'VirtualMachine',
    metadata: { name: 'db', namespace: 'default' },
    spec: { memory: { size: '512Mi' } },
    status: {
      placement: { host: 'h2', epoch: 2, since: '2026-01-01T00:00:00Z' },
      conditions: isTrue('Ready', 'Running'),
    },
  });
  const renew = () =>
    lab.user.seed(Lease, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: hostLeaseName('h2'), namespace: SYSTEM_NAMESPACE },
      spec: { holderIdentity: 'h2', renewTime: new Date(lab.clock.now()).toISOString() },
    });
  const report = (epoch: number, running: boolean) =>
    lab.user.seed(Host, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'Host',
      metadata: { name: 'h2' },
      spec: {},
      status: {
        conditions: isTrue('Ready'),
        guests: [
          {
            ...{ uuid: 'u', uid: db.metadata.uid, kind: 'VirtualMachine', namespace: 'default', name: 'db' },
            ...{ epoch, running },
          },
        ],
      },
    });
  renew();
  return { renew, report };
}

describe('a guest that depends on another on its host', () => {
  it('is started after it, and again so after both were off', async () => {
    const lab = createLab();
    lab.createMachine('web', { dependsOn: onDb() });
    lab.createMachine('db', { runStrategy: 'Halted' });
    const agent = await lab.start();
    await lab.until('it waits', () => told(lab)?.status === 'False');
    expect(lab.conditionOf(lab.machine('web'), 'Ready')).toMatchObject({
      reason: 'WaitingForDependencies',
      message: 'it is started after VirtualMachine db, which does not run',
    });
    await lab.clock.advance(60_000);
    expect(runs(lab, 'web')).toBe(false);
    await lab.edit(VirtualMachine, 'db', { runStrategy: 'Always' });
    await lab.until('both run', () => runs(lab, 'db') && runs(lab, 'web'));
    await lab.until('it says so', () => told(lab)?.status === 'True');
    for (const name of ['web', 'db']) await lab.edit(VirtualMachine, name, { runStrategy: 'Halted' });
    await lab.until('both are off', () => !runs(lab, 'db') && !runs(lab, 'web'));
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await lab.until('it waits again', () => told(lab)?.status === 'False');
    await lab.edit(VirtualMachine, 'db', { runStrategy: 'Always' });
    await lab.until('web runs', () => runs(lab, 'web'));
    await agent.stop();
  });

  it('says what does not exist, what depends on it in turn, and what is itself', async () => {
    const lab = createLab();
    lab.createMachine('web', { dependsOn: [...onDb(), ...onDb({ name: 'web' }), ...onDb({ name: 'app' })] });
    lab.createMachine('app', { dependsOn: onDb({ name: 'web' }) });
    const agent = await lab.start();
    await lab.until('it waits', () => told(lab)?.status === 'False');
    expect(told(lab)?.message).toContain('VirtualMachine db, which does not exist; and after');
    expect(told(lab)?.message).toContain('VirtualMachine web, which is this guest itself');
    expect(told(lab)?.message).toContain('VirtualMachine app, which does not run, and depends on this guest');
    await agent.stop();
  });

  it('is started without it after its time, says so, and waits anew at its next start', async () => {
    const lab = createLab();
    lab.createMachine('web', { dependsOn: onDb({ timeoutSeconds: 30 }) });
    const agent = await lab.start();
    await lab.clock.advance(20_000);
    expect(runs(lab, 'web')).toBe(false);
    await lab.until('it runs', () => runs(lab, 'web'), 15_000);
    await lab.until('it says so', () => told(lab)?.reason === 'StartedWithout');
    expect(told(lab)?.message).toContain('VirtualMachine db, which does not exist');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Halted' });
    await lab.until('it is off', () => !runs(lab, 'web') && told(lab)?.status === 'Unknown');
    await lab.edit(VirtualMachine, 'web', { runStrategy: 'Always' });
    await lab.clock.advance(20_000);
    expect(runs(lab, 'web')).toBe(false);
    await agent.stop();
  });

  it('is waited for no longer because the agent was started anew meanwhile', async () => {
    const lab = createLab();
    lab.createMachine('web', { dependsOn: onDb({ timeoutSeconds: 60 }) });
    const agent = await lab.start();
    await lab.clock.advance(40_000);
    await agent.stop();
    const next = await lab.start();
    await lab.until('it runs', () => runs(lab, 'web'), 40_000);
    await next.stop();
  });
});

describe('a guest that depends on another on another host', () => {
  it('believes a host only that it has heard, of the very placement, whatever the guest last said', async () => {
    const lab = createLab();
    const { renew, report } = otherHost(lab);
    // It ran in the placement before: its host has not said yet that it runs in this one.
    report(1, true);
    lab.createMachine('web', { dependsOn: onDb() });
    const agent = await lab.start();
    await lab.until('it waits', () => told(lab)?.status === 'False');
    await lab.clock.advance(5_000);
    renew();
    await lab.clock.advance(5_000);
    expect(runs(lab, 'web')).toBe(false);
    report(2, true);
    await lab.until('web runs', () => runs(lab, 'web'), 5_000);
    await agent.stop();
  });

  it('waits while the host has not renewed its Lease since: after an outage of all it may not be back', async () => {
    const lab = createLab();
    const { renew, report } = otherHost(lab);
    report(2, true);
    lab.createMachine('web', { dependsOn: onDb() });
    const agent = await lab.start();
    await lab.clock.advance(30_000);
    expect(runs(lab, 'web')).toBe(false);
    renew();
    await lab.until('web runs', () => runs(lab, 'web'), 5_000);
    await agent.stop();
  });
});
