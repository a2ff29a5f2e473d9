/** Operations whose host is lost: nobody waits for ever for one that nobody will execute. */
import { describe, expect, it } from 'vitest';
import { STARTED_ANNOTATION } from '../../../src/api/cluster.ts';
import { Operation, type OperationStatus } from '../../../src/api/kinds/operation.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { findCondition } from '../../../src/runtime/conditions.ts';
import { host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

type Lab = ReturnType<typeof createClusterLab>;
const operationOf = (lab: Lab, name = 'restart') => lab.get(Operation, `default/${name}`);
const reasonOf = (lab: Lab, name?: string) =>
  findCondition(operationOf(lab, name)?.status?.conditions, 'Ready')?.reason;

function seedOperation(lab: Lab, name: string, status?: OperationStatus, isStamped = false) {
  lab.api.seed(Operation, {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Operation',
    metadata: {
      ...{ name, namespace: 'default', uid: `uid-${name}` },
      creationTimestamp: new Date(lab.clock.now()).toISOString(),
      ...(isStamped ? { annotations: { [STARTED_ANNOTATION]: `${name}/uid-${name}` } } : {}),
    },
    spec: { guest: { kind: 'VirtualMachine', name: 'web' }, action: 'Restart' },
    ...(status === undefined ? {} : { status }),
  } as Operation);
}

async function labWithWeb() {
  const lab = createClusterLab();
  lab.addHosts(host('h1'), host('h2'));
  await lab.lead();
  lab.api.seed(VirtualMachine, machine('web', { placement: { host: 'h1' } }));
  await lab.advance(1_000);
  return lab;
}

async function recovered(lab: Lab) {
  const placement = { host: 'h2', epoch: 2, since: '2026-01-01T00:00:00Z' };
  const ref = { namespace: 'default', name: 'web' };
  await lab.api.mergePatch(VirtualMachine, ref, { status: { placement } }, { subresource: 'status' });
  await lab.advance(2_000);
}

describe('an Operation whose host is lost', () => {
  it('before it has begun says so, and is executed where its guest is recovered', async () => {
    const lab = await labWithWeb();
    seedOperation(lab, 'restart');
    await lab.advance(1_000);
    expect(operationOf(lab)?.status?.host).toBe('h1');
    lab.silent.add('h1');
    await lab.advance(60_000);
    expect(reasonOf(lab)).toBe('HostLost');
    await recovered(lab);
    expect(operationOf(lab)?.status).toMatchObject({ host: 'h2', phase: 'Pending' });
    await lab.resign();
  });

  it('ends in time where its guest stays on that host', async () => {
    const lab = await labWithWeb();
    seedOperation(lab, 'restart');
    await lab.advance(1_000);
    lab.silent.add('h1');
    await lab.advance(660_000);
    expect(operationOf(lab)?.status?.phase).toBe('Failed');
    expect(reasonOf(lab)).toBe('Expired');
    await lab.resign();
  });

  it('after it has begun, or may have, is not executed a second time', async () => {
    const lab = await labWithWeb();
    seedOperation(lab, 'running', { phase: 'Running', host: 'h1' });
    seedOperation(lab, 'stamped', { phase: 'Pending', host: 'h1' }, true);
    lab.silent.add('h1');
    await lab.advance(60_000);
    expect(operationOf(lab, 'running')?.status?.phase).toBe('Running');
    await recovered(lab);
    for (const name of ['running', 'stamped']) {
      expect(operationOf(lab, name)?.status).toMatchObject({ phase: 'Failed', host: 'h1' });
      expect(reasonOf(lab, name)).toBe('HostLost');
    }
    await lab.resign();
  });
});
