/**
 * Signs the certificates agents show each other: only for the ServiceAccount of a host that asks for its own name and the uid its Host has
 * now. Everything is read afresh: a certificate for a Host that has just been deleted would outlive it.
 */
import { accountUser, hostAccountName, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { CertificateSigningRequest, ServiceAccount } from '../../api/core.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done } from '../../base/outcome.ts';
import {
  type KeyPair,
  type RequestedNames,
  readRequest,
  signRequest,
  type Usage,
} from '../../base/pki/certificates.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { decide, decisionOf, type Refusal, requestText } from './decision.ts';

export type CertificateSources = {
  /** Requests to the signer of agents. */
  requests: Informer<CertificateSigningRequest>;
  clock: Clock;
  authority(signal: AbortSignal): Promise<KeyPair>;
};

type Request = Stored<CertificateSigningRequest>;

const USAGES: readonly Usage[] = ['digital signature', 'key encipherment', 'client auth', 'server auth'];
const MOST_SECONDS = 24 * 60 * 60;

export function certificateController(sources: CertificateSources): Controller<CertificateSigningRequest> {
  return {
    name: 'agent-certificates',
    kind: CertificateSigningRequest,
    informer: sources.requests,
    writes: [],
    selects: isWaiting,
    reconcile: (pass) => reconcile(pass, sources),
  };
}

function isWaiting(request: Request): boolean {
  const decision = decisionOf(request);
  return decision === undefined || (decision === 'Approved' && !request.status?.certificate);
}

async function reconcile(
  { object, client, signal, log }: Pass<CertificateSigningRequest>,
  { clock, authority }: CertificateSources,
): Promise<PassResult<CertificateSigningRequest>> {
  const pem = requestText(object);
  const names = await readRequest(pem);
  const host = await client.find(Host, { name: names.commonName }, { signal });
  const account = await client.find(
    ServiceAccount,
    { namespace: SYSTEM_NAMESPACE, name: hostAccountName(names.commonName) },
    { signal },
  );
  const refusal = refusalOf(object, names, { host: host?.metadata.uid, account: account?.metadata.uid });
  const deps = { client, clock, signal };
  if (refusal !== undefined) {
    log.warn('a certificate is refused', { request: object.metadata.name, ...refusal });
    // What a person has approved beside us is not signed all the same.
    if (decisionOf(object) === undefined) await decide(deps, object, 'Denied', refusal);
    return { outcome: done };
  }
  const approval = { reason: 'HostVerified', message: `${names.commonName} asks for its own name` };
  const approved =
    decisionOf(object) === undefined ? await decide(deps, object, 'Approved', approval) : object;
  const certificate = await signRequest(pem, {
    authority: await authority(signal),
    clock,
    usages: USAGES,
    seconds: Math.min(object.spec.expirationSeconds ?? MOST_SECONDS, MOST_SECONDS),
  });
  const { uid, resourceVersion } = approved.metadata;
  const patch = {
    metadata: { uid, resourceVersion },
    status: { certificate: Buffer.from(certificate).toString('base64') },
  };
  await client.mergePatch(CertificateSigningRequest, object.metadata, patch, {
    subresource: 'status',
    signal,
  });
  return { outcome: done };
}

/** Why the request is none of a host for itself; undefined for one that is. `uids` are those that exist now. */
export function refusalOf(
  { spec }: Pick<CertificateSigningRequest, 'spec'>,
  { commonName: name, organizations, names }: RequestedNames,
  uids: { host: string | undefined; account: string | undefined },
): Refusal | undefined {
  const refuse = (message: string): Refusal => ({ reason: 'NotTheHost', message });
  if (spec.username !== accountUser(hostAccountName(name)))
    return refuse(`only the ServiceAccount of host ${name} may ask for this name`);
  if (uids.host === undefined) return refuse(`Host ${name} does not exist`);
  if (uids.account === undefined || uids.account !== spec.uid)
    return refuse(`the ServiceAccount that asked is not that of host ${name} any more`);
  const wanted = JSON.stringify([
    { type: 'dns', value: name },
    { type: 'url', value: `urn:uuid:${uids.host}` },
  ]);
  const asked = JSON.stringify(names.map(({ type, value }) => ({ type, value })));
  if (asked !== wanted || organizations.length > 0)
    return refuse(`the names must be DNS:${name} and URI:urn:uuid:${uids.host}, and nothing else`);
  if (spec.usages.length !== USAGES.length || USAGES.some((usage) => !spec.usages.includes(usage)))
    return refuse(`the usages must be ${USAGES.join(', ')}`);
  return undefined;
}
