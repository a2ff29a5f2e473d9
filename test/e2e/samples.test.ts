/** The first run of a newcomer, on real QEMU and LXC: samples applied, Ready, applied again without drift, deleted without a trace. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, run, until, vireo } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';

type Managed = {
  manager: string;
  operation: string;
  subresource?: string;
  fieldsV1: Record<string, unknown>;
};
type Item = {
  kind: string;
  metadata: { name: string; generation: number; managedFields: Managed[] };
  status: { networks?: { addresses?: string[] }[]; phase?: string };
};

const SAMPLES = ['-f', 'manifests/samples'];

describe('the samples', () => {
  let lab: Lab;
  let before: HostState;

  beforeAll(async () => {
    before = await hostState();
    lab = await startLab({ name: 'samples' });
  });
  afterAll(() => lab?.dispose());

  it('are applied and become Ready', async () => {
    await lab.kubectl('apply', ...SAMPLES);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=240s', ...SAMPLES);
    const { items } = await lab.get<{ items: Item[] }>('vm,ct');
    expect(items.map(({ kind, status }) => [kind, status.phase])).toEqual([
      ['VirtualMachine', 'Running'],
      ['Container', 'Running'],
    ]);
  });

  it('show as tables, in words and explained', async () => {
    const table = await lab.kubectl('get', 'vireo', '-A', '-o', 'wide');
    expect(table).toMatch(/virtualmachine\.vireo\.dev\/demo\s+Running\s+True/);
    expect(await lab.kubectl('get', 'vm', 'demo', '-o', 'yaml')).toContain('runStrategy: Always');
    expect(await lab.kubectl('describe', 'vm', 'demo')).toMatch(/Conditions:[\s\S]*Events:/);
    expect(await lab.kubectl('explain', 'vm.spec.disks.size')).toContain('FIELD: size <string>');
    expect(await lab.kubectl('explain', 'vm', '--recursive')).toContain('runStrategy');
    expect(await lab.kubectl('api-resources', '--api-group=vireo.dev')).toMatch(
      /virtualmachines\s+vm\s+vireo\.dev\/v1alpha1\s+true/,
    );
  });

  it('get addresses on the NAT network', async () => {
    const addresses = await until('both guests have an address', async () => {
      const { items } = await lab.get<{ items: Item[] }>('vm,ct');
      const all = items.map(({ status }) => status.networks?.[0]?.addresses?.[0]);
      return all.every((address) => address !== undefined) && all;
    });
    expect(new Set(addresses).size).toBe(2);
  });

  it('answer on their consoles', async () => {
    const answer = await until('the machine answers on its serial line', async () => {
      const { stdout } = await run(
        [process.execPath, vireo, 'console', 'vm/demo', '--data-dir', lab.dataDirectory],
        {
          input: 'echo answer-$((6 * 7))\n',
        },
      );
      return stdout.includes('answer-42') && stdout;
    });
    expect(answer).toContain('answer-42');
  });

  it('show no drift when they are applied again, on the client and on the server', async () => {
    const again = await lab.kubectl('apply', ...SAMPLES);
    expect(
      again
        .trim()
        .split('\n')
        .filter((line) => !line.endsWith('unchanged')),
    ).toEqual([]);
    expect((await lab.tryKubectl('diff', ...SAMPLES)).code).toBe(0);
    await lab.kubectl('apply', '--server-side', '--force-conflicts', ...SAMPLES);
    await lab.kubectl('apply', '--server-side', ...SAMPLES);
    expect((await lab.tryKubectl('diff', '--server-side', ...SAMPLES)).code).toBe(0);
    const { items } = await lab.get<{ items: Item[] }>('vm,ct,pool,img', '--show-managed-fields');
    for (const item of items) {
      expect([item.kind, item.metadata.name, item.metadata.generation]).toEqual([
        item.kind,
        item.metadata.name,
        1,
      ]);
      const ours = item.metadata.managedFields.filter(({ manager }) => manager.startsWith('vireo'));
      expect(ours.filter(({ fieldsV1 }) => 'f:spec' in fieldsV1)).toEqual([]);
    }
  });

  it('stay as they are once they are settled: nobody writes', async () => {
    const versions = async () => {
      const { items } = await lab.get<{ items: (Item & { metadata: { resourceVersion: string } })[] }>(
        'vm,ct,pool,img',
      );
      return items.map(
        ({ kind, metadata }) => `${kind}/${metadata.name} ${metadata.generation} ${metadata.resourceVersion}`,
      );
    };
    const settled = await versions();
    await new Promise((later) => setTimeout(later, 20_000));
    expect(await versions()).toEqual(settled);
  });

  it('are changed by kubectl edit', async () => {
    const editor = `KUBE_EDITOR=sed -i 's/^  annotations:/&\\n    note: edited/'`;
    const edited = await must([
      'env',
      `KUBECONFIG=${lab.kubeconfig}`,
      editor,
      'kubectl',
      'edit',
      'vm',
      'demo',
    ]);
    expect(edited).toBe('virtualmachine.vireo.dev/demo edited\n');
    expect(await lab.kubectl('get', 'vm', 'demo', '-o', 'jsonpath={.metadata.annotations.note}')).toBe(
      'edited',
    );
  });

  it('leave nothing on the host when they and Vireo are gone', async () => {
    await lab.kubectl('delete', '--timeout=120s', ...SAMPLES);
    expect(await lab.stop()).toBe(0);
    const down = await lab.down();
    expect([down.code, down.stderr]).toEqual([0, '']);
    expect(await hostState()).toEqual(before);
    await expect(readFile(lab.kubeconfig, 'utf8')).rejects.toThrow();
  });
});
