/** `vireo apiserver`: the embedded Kubernetes API server on its own data directory. */
import { join } from 'node:path';
import process from 'node:process';
import { createAuditLog } from '../../apiserver/audit/log.ts';
import { loadEncryptionKeys } from '../../apiserver/encryption/keyfile.ts';
import { loadCredentials } from '../../apiserver/pki/credentials.ts';
import { createApiServer } from '../../apiserver/server.ts';
import { defaultIssuer } from '../../apiserver/tokens/claims.ts';
import { authenticateOidc, type OidcOptions } from '../../apiserver/tokens/oidc.ts';
import { loadSigningKey } from '../../apiserver/tokens/signingkey.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { openFileStore } from '../../store/file.ts';
import { reachableNames } from '../hostfacts.ts';
import { aborted, type Lifetime } from '../lifetime.ts';
import { roleMetrics } from '../monitoring.ts';
import { version } from '../version.ts';
import { appendText } from '../world/append.ts';
import { jsonFetcher } from '../world/fetchjson.ts';
import { callWebhook } from '../world/webhook.ts';

export type ApiserverOptions = {
  dataDirectory: string;
  listen: { host: string; port: number };
  kubeconfig: string;
  /** People may come with ID tokens of this issuer. */
  oidc?: OidcFlags;
};

/** What the command line says of an OpenID Connect issuer. */
export type OidcFlags = Pick<
  OidcOptions,
  'issuer' | 'clientId' | 'usernameClaim' | 'usernamePrefix' | 'groupsClaim' | 'groupsPrefix'
> & { caFile?: string };

/** Serves until the lifetime ends. Throws ReasonedError DataDirectoryInUse or AddressRefused. */
export async function runApiserver(
  options: ApiserverOptions,
  lifetime: Lifetime,
  world: World,
): Promise<void> {
  const { files } = world;
  const lost = new AbortController();
  const store = await openFileStore({
    directory: join(options.dataDirectory, 'store'),
    onLost: () => lost.abort(new Error('the lock of the store is lost: a new process has to open it')),
  });
  const audit = createAuditLog({
    world,
    append: appendText,
    path: join(options.dataDirectory, 'audit', 'audit.log'),
  });
  try {
    const pki = join(options.dataDirectory, 'pki');
    await files.makeDirectory(join(options.dataDirectory, 'audit'), { mode: 0o700 });
    const credentials = await loadCredentials({
      directory: pki,
      world,
      hosts: isAll(options.listen.host) ? reachableNames() : [options.listen.host],
    });
    const server = await createApiServer({
      store,
      world,
      credentials,
      listen: options.listen,
      version,
      access: {
        signingKey: await loadSigningKey(files, pki),
        tokens: options.oidc === undefined ? [] : [await oidcOf(options.oidc, world)],
      },
      audit,
      encryption: await loadEncryptionKeys(world, pki),
      callWebhook,
      metrics: roleMetrics('apiserver'),
    }).catch((error: unknown) => {
      throw addressRefused(error, options.listen) ?? error;
    });
    await credentials.writeKubeconfig(options.kubeconfig, server.url);
    process.stdout.write(`ready ${server.url}\n`);
    await aborted(AbortSignal.any([lifetime.signal, lost.signal]));
    await server.close();
    // The end as a failure: whoever watches over this process starts it again.
    if (!lifetime.signal.aborted) lost.signal.throwIfAborted();
  } finally {
    await audit.close();
    await store.close();
  }
}

/** Listens on all addresses: then other machines come by any of them. */
function isAll(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
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

async function oidcOf({ caFile, ...flags }: OidcFlags, world: World) {
  const ca = caFile === undefined ? undefined : await world.files.readText(caFile);
  if (caFile !== undefined && ca === undefined) throw new Error(`there is no file ${caFile}`);
  return authenticateOidc({ ...flags, world, fetchJson: jsonFetcher(ca), serverAudience: defaultIssuer });
}
