/**
 * `KUBECONFIG=... npm run e2e -- --cluster`: `manifests/install` on the API server of the kubeconfig, whatever it is, and what is to work then:
 * the manager by its own account, a machine that joins, hosts on paper with guests that move, and the limits of a host's account. Needs an
 * administrator of a cluster that has nothing of Vireo; leaves it so.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { Host } from '../../src/api/kinds/host.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { run, until } from '../e2e/harness/commands.ts';
import { type Cluster, openCluster } from './cluster.ts';

type Manifest = { apiVersion: string; kind: string; metadata: { name: string } };
/** What is there of it. */
type Found = { kind: string; metadata: { name: string; generation?: number; resourceVersion: string } };

const STORIES = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: probe, namespace: vireo-e2e}
spec:
  memory: {size: 64Mi}
  disks: [{name: root, pool: local, size: 1Gi}]
  placement: {hostSelector: {e2e: paper}}
`;

describe('an API server', () => {
  let cluster: Cluster;
  /** What it has no kind for: then it is no whole Kubernetes, and these are not applied. */
  let left: string[] = [];
  let applied: string;

  beforeAll(async () => {
    const kubeconfig = process.env.KUBECONFIG;
    if (kubeconfig === undefined || kubeconfig === '')
      throw new Error('say which cluster: KUBECONFIG=FILE npm run e2e -- --cluster');
    cluster = await openCluster(kubeconfig);
    const { code } = await cluster.tryKubectl('get', 'namespace', 'vireo-system');
    if (code === 0) throw new Error('this cluster has Vireo: these stories would remove it');
  });

  afterAll(async () => {
    await cluster?.tryKubectl('delete', '--ignore-not-found', '--wait=false', 'namespace', 'vireo-e2e');
    await cluster?.end();
    if (applied !== undefined) await remove();
  });

  const remove = async () => {
    const env = { KUBECONFIG: process.env.KUBECONFIG ?? '' };
    await run(['kubectl', 'delete', '--ignore-not-found', '--wait=false', '-f', '-'], {
      env,
      input: applied,
      timeoutMs: 120_000,
    });
    await run(['kubectl', 'delete', '--ignore-not-found', '-k', 'crds'], { env, timeoutMs: 120_000 });
  };

  /** Generations of what was applied; resourceVersions of what has none, whose status nobody writes meanwhile. */
  const versions = async () => {
    const { stdout } = await run(['kubectl', 'get', '-f', '-', '-o', 'json'], {
      env: { KUBECONFIG: process.env.KUBECONFIG ?? '' },
      input: applied,
    });
    const { items } = JSON.parse(stdout) as { items: Found[] };
    return items.map(
      ({ kind, metadata: { name, generation, resourceVersion } }) =>
        `${kind}/${name} ${generation ?? resourceVersion}`,
    );
  };

  it('takes the kinds of Vireo, and all of them are served', async () => {
    await cluster.kubectl('apply', '-k', 'crds');
    await cluster
      .kubectl(
        'wait',
        '--for=condition=Established',
        '--timeout=60s',
        'crd',
        '-l',
        'app.kubernetes.io/part-of=vireo',
      )
      .catch(() => cluster.kubectl('wait', '--for=condition=Established', '--timeout=60s', 'crd', '--all'));
    const served = await cluster.kinds();
    for (const kind of [
      'VirtualMachine',
      'Container',
      'StoragePool',
      'Image',
      'Host',
      'Operation',
      'Migration',
    ])
      expect(served).toContain(`vireo.dev/v1alpha1/${kind}`);
  });

  it('takes manifests/install, twice with the same result', async () => {
    const served = await cluster.kinds();
    const built = await cluster.kubectl('kustomize', 'manifests/install');
    const parts = parseAllDocuments(built).map((document) => document.toJS() as Manifest);
    const isServed = ({ apiVersion, kind }: Manifest) => served.has(`${apiVersion}/${kind}`);
    left = parts.filter((part) => !isServed(part)).map(({ kind }) => kind);
    if (left.length === 0) {
      applied = built;
      await cluster.kubectl('apply', '-k', 'manifests/install');
    } else {
      process.stderr.write(`this server has no ${left.join(', ')}: the rest is applied\n`);
      applied = parts
        .filter(isServed)
        .map((part) => JSON.stringify(part))
        .join('\n---\n');
      await cluster.apply(applied);
    }
    expect(parts.length - left.length).toBeGreaterThan(10);
    // What kubectl calls "configured" may still be the same: it always sends lists and selectors that are replaced as a whole.
    const before = await versions();
    await cluster.apply(applied);
    expect(await versions()).toEqual(before);
  });

  it('lets the manager do its work by its own account', async () => {
    await cluster.start('manager', '--kubeconfig', await cluster.accountOf('vireo-manager'));
    await until('it leads', async () => {
      const { stdout } = await cluster.tryKubectl(
        'get',
        'configmap',
        'cluster',
        '-n',
        'vireo-system',
        '-o',
        'json',
      );
      return (
        stdout !== '' && (JSON.parse(stdout) as { data: { incarnation: string } }).data.incarnation !== ''
      );
    });
  });

  it('lets a machine join, whose account may change its own Host and no other', async () => {
    const [, ...command] = (await cluster.vireo('token', 'create', '--host', 'e2e-one')).trim().split(' ');
    const state = join(cluster.directory, 'agent');
    // Few clusters show their authority with their certificate.
    const authority = join(cluster.directory, 'authority.crt');
    await writeFile(authority, await cluster.authority());
    await cluster.vireo(...command, '--ca-file', authority, '--state-dir', state, '--no-agent');
    const as = (...args: string[]) => cluster.kubectlBy(join(state, 'kubeconfig'), ...args);
    expect((await as('auth', 'whoami', '-o', 'json')).stdout).toContain(
      'system:serviceaccount:vireo-system:host-e2e-one',
    );
    await cluster.apply(
      '{apiVersion: vireo.dev/v1alpha1, kind: Host, metadata: {name: e2e-other}, spec: {}}',
    );
    // kubectl would read the status by itself first, which a host's account may not and need not.
    const client = await connect(join(state, 'kubeconfig'), 'e2e', realWorld({ logLevel: 'error' }));
    const reports = (name: string) =>
      client.mergePatch(Host, { name }, { status: { agentVersion: 'e2e' } }, { subresource: 'status' });
    expect((await reports('e2e-one')).status).toMatchObject({ agentVersion: 'e2e' });
    await expect(reports('e2e-other')).rejects.toMatchObject({ code: 403 });
    await client.close();
    expect(await as('get', 'secrets', '-A')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/forbidden/i),
    });
    await cluster.kubectl('delete', 'host.vireo.dev', 'e2e-one', 'e2e-other');
    await until('its account is worth nothing', async () => (await as('get', 'host.vireo.dev')).code !== 0);
  });

  it('carries guests: one is placed, runs on a host on paper, and moves', async () => {
    await cluster.start(
      'agent',
      '--simulate',
      '2',
      '--state-dir',
      join(cluster.directory, 'paper'),
      '--host',
      'e2e-paper',
    );
    const hosts = async () => {
      const { stdout } = await cluster.tryKubectl(
        'get',
        'host.vireo.dev',
        '-o',
        'jsonpath={.items[*].metadata.name}',
      );
      return stdout.split(' ').filter((name) => name.startsWith('e2e-paper'));
    };
    const names = await until('two hosts are there', async () => (await hosts()).length === 2 && hosts());
    await cluster.kubectl('label', 'host.vireo.dev', ...names, 'e2e=paper');
    await cluster.kubectl('create', 'namespace', 'vireo-e2e');
    await cluster.apply(STORIES);
    await cluster.kubectl('wait', '--for=condition=Ready', '--timeout=90s', 'vm/probe', '-n', 'vireo-e2e');
    const at = () =>
      cluster.kubectl('get', 'vm/probe', '-n', 'vireo-e2e', '-o', 'jsonpath={.status.placement.host}');
    const before = await at();
    await cluster.vireo('migrate', 'vm/probe', '-n', 'vireo-e2e');
    expect(await at()).not.toBe(before);
    await cluster.kubectl('delete', '--timeout=60s', 'vm/probe', '-n', 'vireo-e2e');
    await cluster.kubectl('delete', '--timeout=60s', 'pool/local');
    for (const name of names) await cluster.kubectl('delete', 'host.vireo.dev', name);
  });
});
