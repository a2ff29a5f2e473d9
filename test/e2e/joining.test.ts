/** A machine joins another's cluster over a network by one command, loses its access with its Host, and comes back as another host. */
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { must, run, until, vireo } from './harness/commands.ts';

type HostObject = { metadata: { uid: string }; status?: { state?: string; protocolVersion?: number } };

describe('a machine that joins', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = openLab({ name: 'vjoin', directory: join(tmpdir(), 'vireo-lab-join'), network: 214 });
    await lab.down();
    await lab.up(['a', 'b']);
  });

  afterAll(() => lab?.down());

  const host = (name: string) => lab.get<HostObject>('vhost', name);
  const online = (name: string) =>
    until(`${name} is Online`, async () => (await host(name)).status?.state === 'Online');
  const agentFile = (name: string, ...path: string[]) => join(lab.host(name).disk, 'agent', ...path);
  const newCommand = async (...options: string[]) => {
    const env = { KUBECONFIG: lab.kubeconfig };
    const printed = await must([process.execPath, vireo, 'token', 'create', ...options], { env });
    return printed.trim().split(' ').slice(1);
  };
  const tryJoin = async (name: string, command: readonly string[], ...options: string[]) =>
    run(await lab.host(name).inside([process.execPath, vireo, ...command, ...options, '--no-agent']));

  it('is a host with an account of its own, and has a certificate that names it and its Host', async () => {
    await online('a');
    await online('b');
    const { metadata, status } = await host('b');
    expect(status?.protocolVersion).toBe(1);
    const who = await must(['kubectl', '--kubeconfig', agentFile('b', 'kubeconfig'), 'auth', 'whoami'], {});
    expect(who).toContain('system:serviceaccount:vireo-system:host-b');
    const text = await until('b has a certificate', () =>
      must(['openssl', 'x509', '-noout', '-text', '-in', agentFile('b', 'pki', 'server-cert.pem')]),
    );
    expect(text).toContain(`DNS:b, URI:urn:uuid:${metadata.uid}`);
    const authority = ['-CAfile', agentFile('a', 'pki', 'ca-cert.pem')];
    await until("a's authority has signed it", () =>
      must(['openssl', 'verify', ...authority, agentFile('b', 'pki', 'client-cert.pem')]),
    );
  });

  it('finds what manifests/install says of kinds this server has as it is said', async () => {
    const kinds =
      /^kind: (Namespace|ServiceAccount|(Cluster)?Role(Binding)?|ValidatingAdmissionPolicy(Binding)?)$/m;
    const built = await must(['kubectl', 'kustomize', 'manifests/install']);
    const parts = built.split(/^---$/m);
    const others = parts.filter((part) => !kinds.test(part)).map((part) => /^kind: (.*)$/m.exec(part)?.[1]);
    expect(others.sort()).toEqual(['DaemonSet', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget']);
    const served = parts.filter((part) => kinds.test(part)).join('---');
    const applied = await must(['kubectl', 'apply', '--dry-run=server', '-f', '-'], {
      input: served,
      env: { KUBECONFIG: lab.kubeconfig },
    });
    expect(applied).toContain('clusterrole.rbac.authorization.k8s.io/vireo-agent');
  });

  it('cannot take the name of a host that is there', async () => {
    const command = await newCommand();
    const { code, stderr } = await tryJoin(
      'b',
      command,
      '--name',
      'a',
      '--state-dir',
      agentFile('b', 'second'),
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain('a host a is there');
  });

  it('has no access any more once its Host is deleted, and may join again as another', async () => {
    const before = await host('b');
    const file = agentFile('b', 'kubeconfig');
    const old = await readFile(file, 'utf8');
    await lab.kubectl('delete', 'vhost', 'b');
    await until('the token is worth nothing', async () => {
      const { stderr } = await run(['kubectl', '--kubeconfig', file, 'get', 'vhost']);
      return /Unauthorized|must be logged in/.test(stderr);
    });
    await until('nothing is left of it', async () => {
      const { stdout } = await lab.tryKubectl('get', 'sa,secret,lease,rolebinding', '-n', 'vireo-system');
      return !stdout.includes('host-b');
    });
    await lab.host('b').agent.kill();
    const { code, stderr } = await tryJoin(
      'b',
      await newCommand(),
      '--name',
      'b',
      '--state-dir',
      agentFile('b'),
    );
    expect([code, stderr.includes('has joined')]).toEqual([0, true]);
    expect(await readFile(file, 'utf8')).not.toBe(old);
    await lab.host('b').agent.start();
    await online('b');
    expect((await host('b')).metadata.uid).not.toBe(before.metadata.uid);
  });
});
