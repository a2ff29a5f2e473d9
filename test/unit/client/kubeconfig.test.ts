import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Files } from '../../../src/base/files.ts';
import { inClusterKubeconfig, loadKubeconfig } from '../../../src/client/kubeconfig.ts';
import { realFiles } from '../../../src/main/world/files.ts';
import { realRandom } from '../../../src/main/world/random.ts';

const files = realFiles(realRandom());
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-kubeconfig-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Writes a kubeconfig with this user and cluster and gives its path. */
async function kubeconfig(user: object, cluster: object = {}): Promise<string> {
  const path = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    contexts: [
      { name: 'lab', context: { cluster: 'here', user: 'me', namespace: 'guests' } },
      { name: 'broken', context: { cluster: 'nowhere', user: 'me' } },
    ],
    clusters: [{ name: 'here', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name: 'me', user }],
  };
  await writeFile(path, dump(config));
  return path;
}

describe('a kubeconfig', () => {
  it('with certificates inside', async () => {
    const user = { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') };
    const path = await kubeconfig(user, {
      'certificate-authority-data': base64('CA'),
      'tls-server-name': 'api',
    });
    const config = await loadKubeconfig({ path, files });
    expect(config).toMatchObject({
      server: 'https://127.0.0.1:6443',
      namespace: 'guests',
      authority: 'CA',
      serverName: 'api',
      insecure: false,
    });
    expect(await config.credentials()).toEqual({ certificate: 'CERT', key: 'KEY' });
  });

  it('with files beside it', async () => {
    await writeFile(join(folder, 'ca.crt'), 'CA');
    await writeFile(join(folder, 'me.crt'), 'CERT');
    await writeFile(join(folder, 'me.key'), 'KEY');
    const user = { 'client-certificate': 'me.crt', 'client-key': join(folder, 'me.key') };
    const path = await kubeconfig(user, { 'certificate-authority': 'ca.crt' });
    const config = await loadKubeconfig({ path, files });
    expect(config.authority).toBe('CA');
    expect(await config.credentials()).toEqual({ certificate: 'CERT', key: 'KEY' });
  });

  it('with a token, or a token file that rotates', async () => {
    const fixed = await loadKubeconfig({ path: await kubeconfig({ token: 't0' }), files });
    expect(await fixed.credentials()).toEqual({ authorization: 'Bearer t0' });
    const path = await kubeconfig({ tokenFile: 'token', token: 'ignored' });
    await writeFile(join(folder, 'token'), 't1\n');
    const config = await loadKubeconfig({ path, files });
    expect(await config.credentials()).toEqual({ authorization: 'Bearer t1' });
    await writeFile(join(folder, 'token'), 't2\n');
    expect(await config.credentials()).toEqual({ authorization: 'Bearer t2' });
  });

  it('with a program that gives the token', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'made' },
    };
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', `echo '${JSON.stringify(credential)}'`],
      interactiveMode: 'Never',
    };
    const config = await loadKubeconfig({ path: await kubeconfig({ exec }), files });
    expect(await config.credentials()).toEqual({ authorization: 'Bearer made' });
  });

  it('that cannot be used says what is wrong with it', async () => {
    const path = await kubeconfig({ 'client-certificate': 'gone.crt' });
    await expect(loadKubeconfig({ path, files, context: 'other' })).rejects.toThrow(
      'no entry "other" in contexts',
    );
    await expect(loadKubeconfig({ path, files, context: 'broken' })).rejects.toThrow(
      'no entry "nowhere" in clusters',
    );
    await expect(loadKubeconfig({ path: join(folder, 'no'), files })).rejects.toThrow(
      'there is no kubeconfig at',
    );
    const config = await loadKubeconfig({ path, files });
    await expect(config.credentials()).rejects.toMatchObject({ reason: 'InvalidKubeconfig' });
    const proxied = await kubeconfig({}, { 'proxy-url': 'http://proxy' });
    await expect(loadKubeconfig({ path: proxied, files })).rejects.toThrow('proxy-url');
  });
});

describe('inside a cluster', () => {
  const mounted: Record<string, string> = { 'ca.crt': 'CA', namespace: 'vireo-system', token: 'secret\n' };
  const pod: Files = { ...files, readText: async (path) => mounted[path.split('/').at(-1) ?? ''] };

  it('the service account of the pod is used', async () => {
    const environment = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    const config = await inClusterKubeconfig({ files: pod, environment });
    expect(config).toMatchObject({
      server: 'https://[fd00::1]:443',
      namespace: 'vireo-system',
      authority: 'CA',
    });
    expect(await config?.credentials()).toEqual({ authorization: 'Bearer secret' });
  });

  it('is not where there is no such mount', async () => {
    expect(await inClusterKubeconfig({ files: pod, environment: {} })).toBeUndefined();
  });
});
