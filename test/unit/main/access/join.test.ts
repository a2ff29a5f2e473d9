/** A machine joins by a token: what the token is good for, how often, and what it leaves. The manager has only the rights of its manifests. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { JOINING, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { CertificateSigningRequest, ConfigMap, Secret } from '../../../../src/api/core.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { makeRequest } from '../../../../src/base/pki/certificates.ts';
import { createClient } from '../../../../src/client/client.ts';
import { loadKubeconfig } from '../../../../src/client/kubeconfig.ts';
import { authorityHash } from '../../../../src/main/roles/join/authority.ts';
import { readToken } from '../../../../src/main/roles/join/token.ts';
import { type JoinOptions, joinOnce } from '../../../../src/main/roles/join.ts';
import { createJoinToken } from '../../../../src/main/roles/token.ts';
import { type AccessLab, createAccessLab, tried } from './lab.ts';

let lab: AccessLab;
let folder: string;
let hash: string;

beforeAll(async () => {
  lab = await createAccessLab();
  await lab.lead();
  hash = authorityHash(lab.kubeconfig.authority ?? '');
});

afterAll(() => lab.stop());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-join-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const signal = new AbortController().signal;
const newToken = (host?: string) => createJoinToken(lab.admin, host, lab.world);

function joining(options: Partial<JoinOptions>): Promise<string> {
  const { server } = lab.kubeconfig;
  return joinOnce({ server, caHash: hash, stateDirectory: folder, ...options }, signal, lab.world);
}

/** The API as the host that joined in `folder` sees it. */
async function hostClient() {
  const kubeconfig = await loadKubeconfig({ path: join(folder, 'kubeconfig'), files: lab.world.files });
  return createClient({ kubeconfig, fieldManager: 'vireo-agent', world: lab.world });
}

const report = (name: string) =>
  lab.admin.mergePatch(Host, { name }, { status: { agentVersion: '1' } }, { subresource: 'status' });

describe('a machine with a token', () => {
  it('becomes a host, by a kubeconfig for its owner only, and again without a token', async () => {
    expect(await joining({ token: await newToken(), host: 'a1' })).toBe('a1');
    const file = join(folder, 'kubeconfig');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).sort()).toEqual(['joined.json', 'kubeconfig']);
    const client = await hostClient();
    expect(await tried(client.get(Host, { name: 'a1' }))).toBe('done');
    expect(await tried(client.list(Secret))).toBe('403 Forbidden');
    await client.close();
    expect(await joinOnce({ stateDirectory: folder }, signal, lab.world)).toBe('a1');
    await expect(joining({ host: 'a2' })).rejects.toThrow(/is host a1/);
  });

  it('joins once: the token is used up, and taken back a little later', async () => {
    const token = await newToken();
    await joining({ token, host: 'b1' });
    await rm(folder, { recursive: true });
    await expect(joining({ token, host: 'b2' })).rejects.toThrow(/has been used/);
    const { secret } = readToken(token);
    const ref = { namespace: SYSTEM_NAMESPACE, name: secret };
    expect((await lab.admin.get(Secret, ref)).metadata.annotations?.[JOINING.usedBy]).toBeDefined();
    await expect.poll(() => lab.admin.find(Secret, ref), { timeout: 15_000, interval: 250 }).toBeUndefined();
    expect(await tried(lab.by(token).get(CertificateSigningRequest, { name: 'x' }))).toBe('401 Unauthorized');
    expect(await lab.admin.find(Host, { name: 'b2' })).toBeUndefined();
  }, 60_000);

  it('does not take the name of a host that is there, until that Host is deleted', async () => {
    await joining({ token: await newToken(), host: 'c1' });
    await report('c1');
    const old = await hostClient();
    await rm(folder, { recursive: true });
    const token = await newToken();
    await expect(joining({ token, host: 'c1' })).rejects.toThrow(/a host c1 is there/);
    await lab.admin.delete(Host, { name: 'c1' });
    // The token was not used up by the refusal.
    expect(await joining({ token, host: 'c1' })).toBe('c1');
    expect(await tried(old.get(Host, { name: 'c1' }))).toBe('401 Unauthorized');
    await old.close();
  });

  it('joins anew in the same directory after its Host was deleted', async () => {
    await joining({ token: await newToken(), host: 'd1' });
    await report('d1');
    await lab.admin.delete(Host, { name: 'd1' });
    const before = await readFile(join(folder, 'kubeconfig'), 'utf8');
    await expect
      .poll(async () => {
        const client = await hostClient();
        return tried(client.get(Host, { name: 'd1' })).finally(() => client.close());
      })
      .toBe('401 Unauthorized');
    expect(await joining({ token: await newToken(), host: 'd1' })).toBe('d1');
    expect(await readFile(join(folder, 'kubeconfig'), 'utf8')).not.toBe(before);
  });

  it('finds its Host as its owner has written it beforehand', async () => {
    const spec = { unschedulable: true };
    await lab.admin.create(Host, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'Host',
      metadata: { name: 'e1' },
      spec,
    });
    await joining({ token: await newToken(), host: 'e1' });
    expect((await lab.admin.get(Host, { name: 'e1' })).spec).toEqual(spec);
  });

  it('has the name the token is for', async () => {
    const token = await newToken('f1');
    await expect(joining({ token, host: 'f2' })).rejects.toThrow(/is for host f1/);
    expect(await joining({ token, host: 'f1' })).toBe('f1');
  });

  it('goes on where it was when it crashed before it had its credentials', async () => {
    const token = await newToken();
    const crash = { ...lab.world, files: { ...lab.world.files, writeAtomic: crashing('kubeconfig') } };
    const asked = { server: lab.kubeconfig.server, caHash: hash, stateDirectory: folder, token, host: 'g1' };
    await expect(joinOnce(asked, signal, crash)).rejects.toThrow('power cut');
    expect(await joinOnce(asked, signal, lab.world)).toBe('g1');
  });

  it('speaks to no server but the one the hash stands for', async () => {
    const token = await newToken();
    const other = `sha256:${'0'.repeat(64)}`;
    await expect(joining({ token, host: 'h9', caHash: other })).rejects.toThrow(/is not the server/);
    expect(await joining({ token, host: 'h9' })).toBe('h9');
  });
});

/** A disk that fails when the file of this name is written. */
function crashing(name: string): AccessLab['world']['files']['writeAtomic'] {
  return async (path, data, how) => {
    if (path.endsWith(`/${name}`)) throw new Error('power cut');
    return lab.world.files.writeAtomic(path, data, how);
  };
}

describe('a stolen token', () => {
  it('reads and writes nothing but requests to join', async () => {
    const thief = lab.by(await newToken());
    expect(await tried(thief.list(CertificateSigningRequest))).toBe('403 Forbidden');
    expect(await tried(thief.list(Host))).toBe('403 Forbidden');
    expect(await tried(thief.get(Secret, { namespace: SYSTEM_NAMESPACE, name: 'host-h1' }))).toBe(
      '403 Forbidden',
    );
    expect(await tried(thief.get(ConfigMap, { namespace: SYSTEM_NAMESPACE, name: 'cluster' }))).toBe(
      '403 Forbidden',
    );
    const ask = async (signerName: string) => {
      const { request } = await makeRequest({ commonName: 'kubernetes-admin', names: [] });
      return tried(
        thief.create(CertificateSigningRequest, {
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name: `thief-${signerName.replaceAll('/', '-')}` },
          spec: { request: Buffer.from(request).toString('base64'), signerName, usages: ['client auth'] },
        }),
      );
    };
    expect(await ask('kubernetes.io/kube-apiserver-client')).toBe('403 Forbidden');
    expect(await ask('vireo.dev/agent')).toBe('403 Forbidden');
  });

  it('cannot use up the Secret of another token', async () => {
    const [mine, others] = [await newToken(), await newToken()];
    const { request } = await makeRequest({ commonName: 'i1', names: [] });
    await lab.by(mine).create(CertificateSigningRequest, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: {
        name: 'swapped',
        annotations: { [JOINING.secret]: readToken(others).secret, [JOINING.protocol]: '1' },
      },
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: 'vireo.dev/join',
        usages: ['key agreement'],
      },
    });
    const condition = async () =>
      (await lab.admin.get(CertificateSigningRequest, { name: 'swapped' })).status?.conditions?.[0];
    await expect.poll(condition, { timeout: 10_000 }).toMatchObject({ type: 'Denied', reason: 'TokenUsed' });
    expect(await joining({ token: others, host: 'i1' })).toBe('i1');
  });

  it('of another protocol is told to upgrade first', async () => {
    const token = await newToken();
    const { request } = await makeRequest({ commonName: 'j1', names: [] });
    await lab.by(token).create(CertificateSigningRequest, {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: {
        name: 'from-the-future',
        annotations: { [JOINING.secret]: readToken(token).secret, [JOINING.protocol]: '3' },
      },
      spec: {
        request: Buffer.from(request).toString('base64'),
        signerName: 'vireo.dev/join',
        usages: ['key agreement'],
      },
    });
    const condition = async () =>
      (await lab.admin.get(CertificateSigningRequest, { name: 'from-the-future' })).status?.conditions?.[0];
    await expect
      .poll(condition, { timeout: 10_000 })
      .toMatchObject({ type: 'Denied', reason: 'VersionSkew' });
  });
});
