/**
 * The server's keys in `<dataDir>/pki`: made at the first start, read at later ones, renewed before they expire. The authority
 * stays for its ten years, so that kubeconfigs handed out keep working.
 */

import { isGood, isPair, type KeyPair, makeKeyPair, type Purpose } from '../../base/pki/certificates.ts';
import type { World } from '../../base/world.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/** The loaded keys. */
export type Credentials = {
  readonly authority: KeyPair;
  readonly server: KeyPair;
  /** A client of the group system:masters. */
  readonly admin: KeyPair;
  /** Writes the administrator's kubeconfig for the server at `url` (`https://host:port`), mode 0600. */
  writeKubeconfig(path: string, url: string): Promise<void>;
  /** Signs a new client certificate, for a role or a person. */
  issueClient(who: { commonName: string; organizations: readonly string[]; days: number }): Promise<KeyPair>;
};

/** Where the keys are and for which names the server answers. */
export type CredentialsOptions = {
  world: Pick<World, 'files' | 'clock'>;
  /** `<dataDir>/pki` */
  directory: string;
  /** Names and addresses beside localhost. */
  hosts: readonly string[];
  /** What kubeconfigs call the cluster and its context. Default `default`. */
  cluster?: string;
};

const authorityDays = 3650;
const leafDays = 365;
/** Renewed when less is left, at each start. */
const renewDays = 60;
const localNames = [
  'localhost',
  '127.0.0.1',
  '::1',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
];

/** Loads the keys; makes what is missing, about to expire, or no longer fitting. */
export async function loadCredentials(options: CredentialsOptions): Promise<Credentials> {
  const { directory, world } = options;
  const { files, clock } = world;
  await files.makeDirectory(directory, { mode: 0o700 });
  const authority = await ensure(
    options,
    'ca',
    { type: 'authority', commonName: 'apiserver-ca' },
    {
      days: authorityDays,
      isFit: ({ certificate }) => isGood(certificate, { clock, days: 0 }),
    },
  );
  const hosts = [...new Set([...localNames, ...options.hosts.filter((host) => !isWildcard(host))])];
  const signed = (names?: readonly string[]) => ({
    days: leafDays,
    authority,
    isFit: ({ certificate }: KeyPair) =>
      isGood(certificate, {
        clock,
        days: renewDays,
        authority: authority.certificate,
        ...(names === undefined ? {} : { hosts: names }),
      }),
  });
  const [server, admin] = await Promise.all([
    ensure(options, 'server', { type: 'server', commonName: 'apiserver', hosts }, signed(hosts)),
    ensure(
      options,
      'admin',
      { type: 'client', commonName: 'kubernetes-admin', organizations: ['system:masters'] },
      signed(),
    ),
  ]);
  return {
    authority,
    server,
    admin,
    writeKubeconfig: (path, url) =>
      writeKubeconfig(files, path, {
        url,
        cluster: options.cluster ?? 'default',
        authority: authority.certificate,
        client: admin,
        user: 'kubernetes-admin',
      }),
    issueClient: ({ commonName, organizations, days }) =>
      makeKeyPair({ type: 'client', commonName, organizations }, { days, clock, authority }),
  };
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}

/** Reads a pair, or makes it. The key is written first: a certificate without its key would look complete after a crash. */
async function ensure(
  { world: { files, clock }, directory }: CredentialsOptions,
  name: string,
  purpose: Purpose,
  rules: { days: number; authority?: KeyPair; isFit: (pair: KeyPair) => boolean },
): Promise<KeyPair> {
  const paths = { key: `${directory}/${name}.key`, certificate: `${directory}/${name}.crt` };
  const [certificate, key] = await Promise.all([
    files.readText(paths.certificate),
    files.readText(paths.key),
  ]);
  if (
    certificate !== undefined &&
    key !== undefined &&
    isPair({ certificate, key }) &&
    rules.isFit({ certificate, key })
  ) {
    return { certificate, key };
  }
  if (certificate !== undefined && purpose.type === 'authority') {
    throw new Error(
      `${paths.certificate} does not belong to ${paths.key} or has expired; every kubeconfig depends on it, so it is not replaced: restore both files, or remove both to start with new ones`,
    );
  }
  const made = await makeKeyPair(purpose, {
    days: rules.days,
    clock,
    ...(rules.authority === undefined ? {} : { authority: rules.authority }),
  });
  await files.writeAtomic(paths.key, made.key, { mode: 0o600 });
  await files.writeAtomic(paths.certificate, made.certificate, { mode: 0o644 });
  return made;
}
