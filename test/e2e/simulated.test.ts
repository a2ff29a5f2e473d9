/** Three hosts that exist only on paper: the same controllers and resources, a thousand guests, one change costing one pass. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, vireo } from './harness/commands.ts';
import { type Lab, startLab } from './harness/lab.ts';

type Guest = { metadata: { name: string }; status?: { phase?: string; placement?: { host: string } } };

const BASE = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
`;

const container = (index: number) => `
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: ct-${index}, namespace: default}
spec: {runStrategy: Always, image: busybox, rootfs: {pool: local}, memory: 32Mi}
`;

const together = (name: string, others: readonly string[], host?: string) => `
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: ${name}, namespace: default}
spec:
  runStrategy: Always
  image: busybox
  rootfs: {pool: local}
  memory: 32Mi
  placement:
    ${host === undefined ? '' : `host: ${host}`}
    keepTogether: [${others.map((other) => `{policy: Required, guest: {kind: Container, name: ${other}}}`).join()}]
`;

describe('three simulated hosts', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ name: 'simulated', args: ['--simulate', '3'] });
  });
  afterAll(() => lab?.dispose());

  it('take a hundred containers and share them', async () => {
    await lab.apply(BASE);
    await lab.apply(Array.from({ length: 100 }, (_, index) => container(index)).join('---'));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'ct', '--all');
    const { items } = await lab.get<{ items: Guest[] }>('ct');
    const hosts = items.map(({ status }) => status?.placement?.host);
    expect(new Set(hosts).size).toBe(3);
    for (const host of new Set(hosts)) expect(hosts.filter((one) => one === host).length).toBeGreaterThan(20);
  });

  it('are selected by the host they are placed on', async () => {
    const { items } = await lab.get<{ items: Guest[] }>(
      'ct',
      '--field-selector',
      'status.placement.host=simulated-1',
    );
    expect(items.length).toBeGreaterThan(0);
    expect(items.every(({ status }) => status?.placement?.host === 'simulated-1')).toBe(true);
  });

  it('move both of two that keep together when a person moves one of them, or none', async () => {
    await lab.apply(together('front', ['back'], 'simulated-1'));
    await lab.apply(together('back', []));
    const env = { KUBECONFIG: lab.kubeconfig };
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'ct/front', 'ct/back');
    const where = async () => {
      const guests = await Promise.all(['front', 'back'].map((name) => lab.get<Guest>('ct', name)));
      return guests.map(({ status }) => status?.placement?.host);
    };
    expect(await where()).toEqual(['simulated-1', 'simulated-1']);
    const refused = await run([process.execPath, vireo, 'migrate', 'ct/back', '--to', 'simulated-2'], {
      env,
    });
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain(
      'simulated-2 does not take Container/default/front, which spec.placement.keepTogether binds to it',
    );
    expect(await where()).toEqual(['simulated-1', 'simulated-1']);
    await lab.apply(together('front', ['back']));
    const moved = await run([process.execPath, vireo, 'migrate', 'ct/back', '--to', 'simulated-2'], { env });
    expect(moved.stdout).toContain('with it Container/front: Succeeded');
    expect([moved.code, await where()]).toEqual([0, ['simulated-2', 'simulated-2']]);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'ct/front', 'ct/back');
  });

  it('keep a guest waiting with the name of what is missing, and go on by themselves when it appears', async () => {
    await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: early, namespace: default}
spec: {memory: {size: 64Mi}, disks: [{name: root, pool: late, size: 1Gi}]}
`);
    await lab.kubectl(
      'wait',
      '--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=StoragePoolNotFound',
      '--timeout=20s',
      'vm/early',
    );
    expect(
      await lab.kubectl(
        'get',
        'vm',
        'early',
        '-o',
        'jsonpath={.status.conditions[?(@.type=="Ready")].message}',
      ),
    ).toContain('"late"');
    await lab.apply(
      '{apiVersion: vireo.dev/v1alpha1, kind: StoragePool, metadata: {name: late}, spec: {type: Directory}}',
    );
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'vm/early');
  });

  it.each([
    ['an unknown field', '{memory: {size: 64Mi}, memroy: 1}', /unknown field "spec\.memroy"/],
    ['a wrong type', '{memory: {size: [1]}}', /spec\.memory\.size.*must be of type string/],
    ['a size below zero', '{memory: {size: "-1Gi"}}', /spec\.memory\.size/],
    [
      'a disk without pool',
      '{memory: {size: 64Mi}, disks: [{name: a, size: 1Gi}]}',
      /spec\.disks\[0\]\.pool: Required value/,
    ],
    [
      'two disks of one name',
      '{memory: {size: 64Mi}, disks: [{name: a, pool: local, size: 1Gi}, {name: a, pool: local, size: 1Gi}]}',
      /spec\.disks\[1\].*Duplicate value/,
    ],
    [
      'a value that is none of the list',
      '{memory: {size: 64Mi}, runStrategy: Sometimes}',
      /Unsupported value: "Sometimes": supported values: "Always"/,
    ],
  ])('refuse %s with its path', async (_, spec, expected) => {
    const yaml = `{apiVersion: vireo.dev/v1alpha1, kind: VirtualMachine, metadata: {name: bad, namespace: default}, spec: ${spec}}`;
    await expect(lab.apply(yaml)).rejects.toThrow(expected);
    await expect(lab.apply(yaml, '--server-side')).rejects.toThrow(/spec\./);
  });

  it('refuse a name that is no DNS label', async () => {
    const yaml =
      '{apiVersion: vireo.dev/v1alpha1, kind: VirtualMachine, metadata: {name: a.b, namespace: default}, spec: {memory: {size: 64Mi}}}';
    await expect(lab.apply(yaml)).rejects.toThrow(/metadata\.name/);
  });
});
