/** Two agents on one machine, each in a network namespace of its own, with nothing in common but the API server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, run, until, vireo } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';
import { makeHosts, type NamespaceHost, type NamespaceLab } from './harness/namespaces.ts';

const PORT = 16_443;
type Guest = {
  metadata: { name: string };
  status: { placement: { host: string }; networks?: { addresses?: string[] }[] };
};

const MANIFESTS = `
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

const guests = (host: string) => `
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: ct-${host}, namespace: default}
spec: {image: busybox, rootfs: {pool: local}, networks: [{name: eth0, nat: {}}], placement: {host: ${host}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: vm-${host}, namespace: default}
spec: {shutdown: {timeoutSeconds: 2}, memory: {size: 32Mi}, disks: [{name: root, pool: local, size: 8Mi}], networks: [{name: eth0, nat: {}}], placement: {host: ${host}}}
`;

describe('two hosts in two network namespaces', () => {
  let before: HostState;
  let directory: string;
  let lab: NamespaceLab;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    before = await hostState();
    directory = await mkdtemp(join(tmpdir(), 'vireo-two-'));
    await chmod(directory, 0o711);
    lab = await makeHosts('vt', 2);
    const [home] = lab.hosts;
    if (home === undefined) throw new Error('no hosts');
    await startRole(home, [
      'apiserver',
      '--data-dir',
      `${directory}/apiserver`,
      '--listen',
      `${home.address}:${PORT}`,
      '--kubeconfig',
      `${directory}/kubeconfig`,
    ]);
    await kubectl('apply', '-k', 'crds');
    await startRole(home, ['manager', '--kubeconfig', `${directory}/kubeconfig`]);
    for (const host of lab.hosts) await startAgent(host);
  });

  afterAll(async () => {
    for (const child of children.toReversed()) await end(child);
    for (const host of lab?.hosts ?? []) await run(downCommand(host));
    await lab?.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  /** Starts a role inside the host's namespaces; resolves at its ready line. */
  function startRole(host: NamespaceHost, args: readonly string[]): Promise<ChildProcess> {
    const [program = '', ...rest] = host.wrap([process.execPath, vireo, ...args]);
    const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    return new Promise((resolve, reject) => {
      const errors: Buffer[] = [];
      child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
      child.on('exit', (code) =>
        reject(new Error(`${args[0]} ended with ${code}: ${Buffer.concat(errors)}`)),
      );
      if (child.stdout !== null)
        createInterface({ input: child.stdout }).on(
          'line',
          (line) => line.startsWith('ready') && resolve(child),
        );
    });
  }

  const downCommand = (host: NamespaceHost) =>
    host.wrap([process.execPath, vireo, 'down', '--data-dir', `${directory}/${host.name}`, '--yes']);
  const stateDirectory = (host: NamespaceHost) => `${directory}/${host.name}/agent`;

  function startAgent(host: NamespaceHost): Promise<ChildProcess> {
    return startRole(host, [
      'agent',
      '--kubeconfig',
      `${directory}/kubeconfig`,
      '--state-dir',
      stateDirectory(host),
      '--host',
      host.name,
    ]);
  }

  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }

  const inHome = (command: string[], input = '') =>
    must(lab.hosts[0]?.wrap(command) ?? [], {
      input,
      env: { KUBECONFIG: `${directory}/kubeconfig`, HOME: directory },
    });
  const kubectl = (...args: string[]) => inHome(['kubectl', ...args]);

  it('each run a container and a machine of their own, with addresses', async () => {
    await inHome(
      ['kubectl', 'apply', '-f', '-'],
      MANIFESTS + lab.hosts.map(({ name }) => guests(name)).join(''),
    );
    await kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm,ct', '--all');
    const { items } = JSON.parse(await kubectl('get', 'vm,ct', '-o', 'json')) as { items: Guest[] };
    expect(items.map(({ metadata, status }) => [metadata.name, status.placement.host]).sort()).toEqual([
      ['ct-vt1', 'vt1'],
      ['ct-vt2', 'vt2'],
      ['vm-vt1', 'vt1'],
      ['vm-vt2', 'vt2'],
    ]);
    await until('both containers have an address', async () => {
      const list = JSON.parse(await kubectl('get', 'ct', '-o', 'json')) as { items: Guest[] };
      return list.items.every(({ status }) => status.networks?.[0]?.addresses?.[0] !== undefined);
    });
  });

  it('go when they are deleted, and leave nothing on either host', async () => {
    await kubectl('delete', '--timeout=60s', 'vm,ct', '--all');
    await kubectl('delete', '--timeout=60s', 'img,pool', '--all');
    for (const child of children.toReversed()) await end(child);
    for (const host of lab.hosts) {
      const { code, stderr } = await run(downCommand(host));
      expect([code, stderr]).toEqual([0, '']);
    }
    await lab.dispose();
    expect(await hostState()).toEqual(before);
  });
});
