/** `vireo token create`: a token by which one machine may join within 15 minutes, as the command that it has to run. */
import process from 'node:process';
import { JOIN_ACCOUNT, JOIN_SECRET_TYPE, JOINING, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { Secret } from '../../api/core.ts';
import type { KindRef, KubeObject, Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { createClient } from '../../client/client.ts';
import { ApiError, type Client } from '../../client/contract.ts';
import { findKubeconfig } from '../connect.ts';
import { authorityHash } from './join/authority.ts';
import { readToken } from './join/token.ts';

export type TokenOptions = {
  kubeconfig: string;
  /** Where the machine reaches the API server; default: as the kubeconfig says. */
  server?: string;
  /** The only name the machine may join by; default: any. */
  host?: string;
};

const LIFETIME_SECONDS = 15 * 60;
const LABEL = 'vireo.dev/join-token';

type TokenRequest = KubeObject<
  {
    expirationSeconds: number;
    boundObjectRef: { kind: string; apiVersion: string; name: string; uid: string };
  },
  { token: string; expirationTimestamp: string }
>;
/** The `token` subresource of the account; it takes this kind and no other. */
const TokenRequest: KindRef<TokenRequest> = {
  group: '',
  version: 'v1',
  kind: 'TokenRequest',
  plural: `serviceaccounts/${JOIN_ACCOUNT}/token`,
  namespaced: true,
};

/** Prints the command; the exit code. */
export async function runTokenCreate(options: TokenOptions, world: World): Promise<number> {
  const kubeconfig = await findKubeconfig(options.kubeconfig, world);
  const client = createClient({ kubeconfig, fieldManager: 'vireo-token', world });
  try {
    const token = await createJoinToken(client, options.host, world);
    const server = options.server ?? kubeconfig.server;
    const hash = kubeconfig.authority === undefined ? undefined : authorityHash(kubeconfig.authority);
    const words = [
      ...['vireo', 'join', server, '--token', token],
      ...(hash === undefined ? [] : ['--ca-hash', hash]),
      ...(options.host === undefined ? [] : ['--name', options.host]),
    ];
    process.stdout.write(`${words.join(' ')}\n`);
    for (const note of notesOn(server, hash)) process.stderr.write(`${note}\n`);
    return 0;
  } finally {
    await client.close();
  }
}

function notesOn(server: string, hash: string | undefined): string[] {
  const isLocal = /^https:\/\/(127\.|localhost|\[::1\])/.test(server);
  return [
    'It lets one machine join, within 15 minutes: run it there as root.',
    ...(isLocal
      ? [
          `Other machines do not reach ${server}: run \`vireo up --listen 0.0.0.0:6443\` and give an address with --server https://HOST:6443.`,
        ]
      : []),
    ...(hash === undefined
      ? ["The kubeconfig names no authority: give the machine the server's with --ca-file."]
      : []),
  ];
}

/** Makes the Secret that the token lives by, and the token; old Secrets of tokens that nobody used go. Throws ReasonedError NoJoinAccount. */
export async function createJoinToken(
  client: Client,
  host: string | undefined,
  { clock, random }: Pick<World, 'clock' | 'random'>,
): Promise<string> {
  await removeExpired(client, clock.now());
  const name = `join-${Buffer.from(random.bytes(8)).toString('hex')}`;
  const expiresAt = new Date(clock.now() + LIFETIME_SECONDS * 1_000).toISOString();
  const annotations = {
    [JOINING.expiresAt]: expiresAt,
    ...(host === undefined ? {} : { [JOINING.host]: host }),
  };
  const secret = await client.create(Secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: SYSTEM_NAMESPACE, name, labels: { [LABEL]: 'true' }, annotations },
    spec: undefined,
    type: JOIN_SECRET_TYPE,
  });
  const token = await requestToken(client, secret);
  const { id } = readToken(token);
  const patch = { metadata: { annotations: { [JOINING.credentialID]: id } } };
  await client.mergePatch(Secret, secret.metadata, patch);
  return token;
}

async function requestToken(client: Client, { metadata: { name, uid } }: Stored<Secret>): Promise<string> {
  const object: TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { namespace: SYSTEM_NAMESPACE, name: JOIN_ACCOUNT },
    spec: {
      expirationSeconds: LIFETIME_SECONDS,
      boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name, uid },
    },
  };
  try {
    return (await client.create(TokenRequest, object)).status?.token ?? '';
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 404)) throw error;
    const message = `there is no ServiceAccount ${SYSTEM_NAMESPACE}/${JOIN_ACCOUNT}: install manifests/rbac`;
    throw new ReasonedError('NoJoinAccount', message, { stalled: true, cause: error });
  }
}

async function removeExpired(client: Client, now: number): Promise<void> {
  const { items } = await client.list(Secret, {
    namespace: SYSTEM_NAMESPACE,
    labelSelector: `${LABEL}=true`,
  });
  for (const { metadata } of items) {
    if (!(Date.parse(metadata.annotations?.[JOINING.expiresAt] ?? '') < now)) continue;
    await client.delete(Secret, metadata, { uid: metadata.uid }).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.code === 404)) throw error;
    });
  }
}
