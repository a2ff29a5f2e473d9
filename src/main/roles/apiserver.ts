/** `vireo apiserver`: the embedded Kubernetes API server on its own data directory. */
import { join } from 'node:path';
import process from 'node:process';
import { loadCredentials } from '../../apiserver/pki/credentials.ts';
import { createApiServer } from '../../apiserver/server.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { openFileStore } from '../../store/file.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { version } from '../version.ts';

export type ApiserverOptions = {
  dataDirectory: string;
  listen: { host: string; port: number };
  kubeconfig: string;
};

/** Serves until the lifetime ends. Throws ReasonedError DataDirectoryInUse or AddressRefused. */
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
    const server = await createApiServer({
      store,
      world,
      credentials,
      listen: options.listen,
      version,
    }).catch((error: unknown) => {
      throw addressRefused(error, options.listen) ?? error;
    });
    await credentials.writeKubeconfig(options.kubeconfig, server.url);
    process.stdout.write(`ready ${server.url}\n`);
    await aborted(lifetime.signal);
    await server.close();
  } finally {
    await store.close();
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process: stop that one, or choose another with --listen',
  EADDRNOTAVAIL: 'is not an address of this machine: choose another with --listen',
  EACCES: 'needs root: choose a port from 1024 with --listen',
};

/** What the system said of the address, as something a person can mend; undefined when the error is about something else. */
function addressRefused(error: unknown, { host, port }: ApiserverOptions['listen']): Error | undefined {
  const isListen = error instanceof Error && 'syscall' in error && error.syscall === 'listen';
  const code = isListen && 'code' in error ? String(error.code) : '';
  const why = REFUSALS[code];
  if (why === undefined) return undefined;
  return new ReasonedError('AddressRefused', `${host}:${port} ${why}`, { stalled: true, cause: error });
}
