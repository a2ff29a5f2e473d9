/** The authority of the certificates agents show each other: its key in a Secret only the manager reads, its certificate for everybody. */
import { AGENT_AUTHORITY, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { ConfigMap, Secret } from '../../api/core.ts';
import type { Clock } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { isPair, type KeyPair, makeKeyPair } from '../../base/pki/certificates.ts';
import { ApiError, type Client } from '../../client/contract.ts';

const REF = { namespace: SYSTEM_NAMESPACE, name: AGENT_AUTHORITY };
const DAYS = 3_650;
const LABELS = { 'app.kubernetes.io/part-of': 'vireo' };

/** Reads the authority, or makes it; of two managers that make one, the first to store it wins. Throws ReasonedError AuthorityBroken. */
export async function agentAuthority(client: Client, clock: Clock, signal: AbortSignal): Promise<KeyPair> {
  const authority = pairOf(
    (await client.find(Secret, REF, { signal })) ?? (await make(client, clock, signal)),
  );
  await publish(client, authority.certificate, signal);
  return authority;
}

async function make(client: Client, clock: Clock, signal: AbortSignal): Promise<Secret> {
  const { certificate, key } = await makeKeyPair(
    { type: 'authority', commonName: 'vireo-agents' },
    { days: DAYS, clock },
  );
  const object: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...REF, labels: LABELS },
    spec: undefined,
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': base64(certificate), 'tls.key': base64(key) },
  };
  try {
    return await client.create(Secret, object, { signal });
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
    return client.get(Secret, REF, { signal });
  }
}

function pairOf({ data = {} }: Secret): KeyPair {
  const text = (name: string) => Buffer.from(data[name] ?? '', 'base64').toString('utf8');
  const pair = { certificate: text('tls.crt'), key: text('tls.key') };
  if (isPair(pair)) return pair;
  const message = `Secret ${SYSTEM_NAMESPACE}/${AGENT_AUTHORITY} holds no certificate with its key: restore it, or delete it to begin with a new authority`;
  throw new ReasonedError('AuthorityBroken', message, { stalled: true });
}

async function publish(client: Client, certificate: string, signal: AbortSignal): Promise<void> {
  const published = await client.find(ConfigMap, REF, { signal });
  if (published?.data?.['ca.crt'] === certificate) return;
  const data = { 'ca.crt': certificate };
  if (published !== undefined) await client.mergePatch(ConfigMap, REF, { data }, { signal });
  else {
    const metadata = { ...REF, labels: LABELS };
    await client.create(
      ConfigMap,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, spec: undefined, data },
      { signal },
    );
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
