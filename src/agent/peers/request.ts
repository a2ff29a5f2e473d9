/** Asks the cluster for a certificate by a CertificateSigningRequest and waits for the manager, who decides and signs. */
import { AGENT_AUTHORITY, SIGNERS, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { CertificateSigningRequest, ConfigMap } from '../../api/core.ts';
import { apiVersionOf } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { makeRequest } from '../../base/pki/certificates.ts';
import type { Random } from '../../base/random.ts';
import type { Client } from '../../client/contract.ts';
import { alternativeNames, type PeerName } from './names.ts';
import type { PeerFiles } from './pki.ts';

/** How long a certificate is good. */
export const CERTIFICATE_SECONDS = 24 * 60 * 60;
/** Looked at again after this, longer each time. */
const LOOK_MS = { first: 100, most: 5_000 };
/** A manager that has not answered by then is asked anew. */
const PATIENCE_MS = 120_000;

export type RequestDeps = { client: Client; clock: Clock; random: Random };

/** Throws ReasonedError CertificateDenied or CertificatePending, or ApiError. */
export async function requestCertificate(
  { client, clock, random }: RequestDeps,
  peer: PeerName,
  signal: AbortSignal,
): Promise<PeerFiles> {
  const { request, key } = await makeRequest({ commonName: peer.name, names: alternativeNames(peer) });
  const name = `vireo-agent-${peer.name}-${Buffer.from(random.bytes(5)).toString('hex')}`;
  const object: CertificateSigningRequest = {
    apiVersion: apiVersionOf(CertificateSigningRequest),
    kind: CertificateSigningRequest.kind,
    metadata: { name },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: SIGNERS.agent,
      expirationSeconds: CERTIFICATE_SECONDS,
      usages: ['digital signature', 'key encipherment', 'client auth', 'server auth'],
    },
  };
  await client.create(CertificateSigningRequest, object, { signal });
  const certificate = await signed({ client, clock }, name, signal);
  const { data } = await client.get(
    ConfigMap,
    { namespace: SYSTEM_NAMESPACE, name: AGENT_AUTHORITY },
    { signal },
  );
  const authority = data?.['ca.crt'];
  if (authority === undefined)
    throw new ReasonedError('CertificatePending', 'the authority is not published');
  return { authority, certificate, key };
}

async function signed(
  { client, clock }: Pick<RequestDeps, 'client' | 'clock'>,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const deadline = clock.monotonic() + PATIENCE_MS;
  for (let waitMs = LOOK_MS.first; ; waitMs = Math.min(2 * waitMs, LOOK_MS.most)) {
    const { status = {} } = await client.get(CertificateSigningRequest, { name }, { signal });
    if (status.certificate !== undefined && status.certificate !== '')
      return Buffer.from(status.certificate, 'base64').toString('utf8');
    const refusal = status.conditions?.find(({ type }) => type === 'Denied' || type === 'Failed');
    if (refusal !== undefined) throw new ReasonedError('CertificateDenied', refusal.message ?? 'denied');
    if (clock.monotonic() > deadline)
      throw new ReasonedError('CertificatePending', 'no manager has signed the request of this host');
    await clock.sleep(waitMs, signal);
  }
}
