/** `vireo apiserver`: the embedded Kubernetes API server on its own data directory. */
import { join } from 'node:path';
import process from 'node:process';
import { loadCredentials } from '../../apiserver/pki/credentials.ts';
import { createApiServer } from '../../apiserver/server.ts';
import type { World } from '../../base/world.ts';
import { openFileStore } from '../../store/file.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { version } from '../version.ts';

export type ApiserverOptions = {
  dataDirectory: string;
  listen: { host: string; port: number };
  kubeconfig: string;
};

/** Serves until the lifetime ends. Throws ReasonedError DataDirectoryInUse, or when the address is taken. */
export async function runApiserver(
  options: ApiserverOptions,
  lifetime: Lifetime,
  world: World,
): Promise<void> {
  const store = await openFileStore({ directory: join(options.dataDirectory, 'store') });
  try {
    const credentials = await loadCredentials({
      directory: join(options.dataDirectory, 'pki'),
      world,
      hosts: [options.listen.host],
    });
    const server = await createApiServer({ store, world, credentials, listen: options.listen, version });
    await credentials.writeKubeconfig(options.kubeconfig, server.url);
    process.stdout.write(`ready ${server.url}\n`);
    await aborted(lifetime.signal);
    await server.close();
  } finally {
    await store.close();
  }
}
