/** The objects of the benches: VirtualMachines of about 2 KB on a hundred hosts and in ten namespaces, and the definition they need. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { load } from 'js-yaml';
import { checkout, until } from '../../e2e/harness/commands.ts';
import type { Connection } from './client.ts';

const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const definitionName = 'virtualmachines.vireo.dev';
const api = '/apis/vireo.dev/v1alpha1';

/** Namespaces that the machines are spread over. */
export const namespaces = 10;
/** Hosts that the machines are on. */
export const hosts = 100;

export const everywhere = `${api}/virtualmachines`;

/** Where the machines of a namespace are. */
export function collectionOf(namespace: string): string {
  return `${api}/namespaces/${namespace}/virtualmachines`;
}

export function namespaceOf(index: number): string {
  return `bench-${index % namespaces}`;
}

/** Where one machine is. */
export function pathOf(index: number): string {
  return `${collectionOf(namespaceOf(index))}/${nameOf(index)}`;
}

export function hostOf(index: number): string {
  return `host-${index % hosts}`;
}

function nameOf(index: number): string {
  return `machine-${String(index).padStart(6, '0')}`;
}

/** The text of a machine as somebody applies it; `generation` makes one update differ from the next. */
export function machine(index: number, generation = 0): string {
  const labels = { app: `app-${index % 50}`, tier: 'backend', 'example.dev/owner': `team-${index % 7}` };
  const disk = (name: string) => ({ name, pool: 'local', size: '10Gi', bus: 'virtio' });
  return JSON.stringify({
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'VirtualMachine',
    metadata: {
      name: nameOf(index),
      namespace: namespaceOf(index),
      labels,
      annotations: { 'example.dev/generation': String(generation), 'example.dev/note': 'n'.repeat(600) },
    },
    spec: {
      runStrategy: 'Always',
      cpu: { sockets: 1, cores: 2, threads: 1 },
      memory: { size: '2Gi' },
      disks: [disk('root'), disk('data')],
      networks: [{ name: 'eth0', bridge: { name: 'vmbr0' } }],
    },
  });
}

/** The merge patch by which an agent reports a machine at a time, in seconds since 1970. */
export function report(index: number, seconds: number): string {
  const time = new Date(seconds * 1000).toISOString().replace('.000', '');
  const condition = (type: string) => ({
    ...{ type, status: 'True', reason: 'AsDeclared', message: '' },
    lastTransitionTime: time,
  });
  return JSON.stringify({
    status: {
      phase: 'Running',
      placement: { host: hostOf(index), epoch: 1, since: time },
      conditions: ['Ready', 'Scheduled', 'Running'].map(condition),
    },
  });
}

/** Puts the definition and the namespaces in place; a server without namespaces takes any. */
export async function prepare(admin: Connection): Promise<void> {
  const text = await readFile(resolve(checkout, 'crds/vireo.dev_virtualmachines.yaml'), 'utf8');
  await admin.must('POST', definitions, JSON.stringify(load(text)));
  await until('the definition is served', async () => (await admin.send('GET', everywhere)).code === 200);
  for (let index = 0; index < namespaces; index += 1) {
    const metadata = { name: namespaceOf(index) };
    const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata });
    const { code } = await admin.send('POST', '/api/v1/namespaces', body);
    if (code !== 201 && code !== 404) throw new Error(`a namespace cannot be made: ${code}`);
  }
}

/** Takes the definition and all its machines away again. */
export async function cleanUp(admin: Connection): Promise<void> {
  await admin.send('DELETE', `${definitions}/${definitionName}`);
  for (let index = 0; index < namespaces; index += 1) {
    await admin.send('DELETE', `/api/v1/namespaces/${namespaceOf(index)}`);
  }
}
