/**
 * Lets machines join: a request by a join token becomes a Host with an identity of its own, handed over encrypted to the key of the request.
 * Each token makes one host. Every step may be repeated, because the request's uid marks what was made for it.
 */
import { hostAccountName, JOINING, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import { CertificateSigningRequest, Secret, ServiceAccount } from '../../api/core.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { done, type Outcome, waiting } from '../../base/outcome.ts';
import { readRequest } from '../../base/pki/certificates.ts';
import { ApiError, type Informer } from '../../client/contract.ts';
import type { Controller, Pass, PassResult } from '../../runtime/contract.ts';
import { joiningAccess } from './access.ts';
import { decide, decisionOf, type Refusal, requestText } from './decision.ts';
import { establishHost, JOINED_BY } from './identity.ts';
import { refusalOf } from './judge.ts';
import { seal } from './seal.ts';

/** Where the Secret of a token is. */
const TOKENS = SYSTEM_NAMESPACE;
/** So long the machine may fetch its credentials by the token, before the token is taken back. */
const FETCH_MS = 5_000;

export type JoinSources = { requests: Informer<CertificateSigningRequest>; clock: Clock };

type JoinPass = Pass<CertificateSigningRequest>;

export function joinController({ requests, clock }: JoinSources): Controller<CertificateSigningRequest> {
  return {
    name: 'joining',
    kind: CertificateSigningRequest,
    informer: requests,
    writes: [],
    access: joiningAccess,
    // One after the other: two requests by one token must not both find it unused.
    concurrency: 1,
    reconcile: (pass) => reconcile(pass, clock),
  };
}

async function reconcile(pass: JoinPass, clock: Clock): Promise<PassResult<CertificateSigningRequest>> {
  const decision = decisionOf(pass.object);
  if (decision === 'Approved') return { outcome: await takeBack(pass) };
  if (decision !== undefined) return { outcome: done };
  const asked = await readRequest(requestText(pass.object));
  const host = asked.commonName;
  const refusal = await refusalFor(pass, host);
  if (refusal !== undefined) return { outcome: await refuse(pass, clock, refusal) };
  if (!(await claimToken(pass))) return { outcome: await refuse(pass, clock, USED) };
  const { client, signal, object } = pass;
  const { token } = await establishHost({ client, clock, signal }, host, object.metadata.uid);
  const credentials = await seal({ token }, asked.publicKey);
  const answered = await client.mergePatch(
    CertificateSigningRequest,
    object.metadata,
    { metadata: { uid: object.metadata.uid, annotations: { [JOINING.credentials]: credentials } } },
    { signal },
  );
  const message = `${host} may fetch its credentials`;
  await decide({ client, clock, signal }, answered, 'Approved', { reason: 'HostJoined', message });
  pass.log.info('a host has joined', { host });
  return { outcome: waiting('Joined', message, FETCH_MS) };
}

const USED: Refusal = {
  reason: 'TokenUsed',
  message: 'the token has been used or taken back: make another with `vireo token create`',
};

async function refusalFor(pass: JoinPass, host: string): Promise<Refusal | undefined> {
  const { client, object, signal } = pass;
  const secret = await tokenSecret(pass);
  const account = { namespace: SYSTEM_NAMESPACE, name: hostAccountName(host) };
  const [living, owner] = await Promise.all([
    client.find(Host, { name: host }, { signal }),
    client.find(ServiceAccount, account, { signal }),
  ]);
  const joinedBy = owner?.metadata.annotations?.[JOINED_BY];
  return refusalOf(object, { host, secret, living, isOurs: joinedBy === object.metadata.uid });
}

function tokenSecret({ client, object, signal }: JoinPass): Promise<Stored<Secret> | undefined> {
  const name = object.metadata.annotations?.[JOINING.secret] ?? '';
  if (name === '') return Promise.resolve(undefined);
  return client.find(Secret, { namespace: TOKENS, name }, { signal });
}

/** Marks the token as used by this request; false when another one has. A write in between is a conflict, and read again. */
async function claimToken(pass: JoinPass): Promise<boolean> {
  const { client, object, signal } = pass;
  const secret = await tokenSecret(pass);
  if (secret === undefined) return false;
  const user = secret.metadata.annotations?.[JOINING.usedBy];
  if (user !== undefined) return user === object.metadata.uid;
  const { uid, resourceVersion } = secret.metadata;
  const annotations = { [JOINING.usedBy]: object.metadata.uid };
  await client.mergePatch(
    Secret,
    secret.metadata,
    { metadata: { uid, resourceVersion, annotations } },
    { signal },
  );
  return true;
}

async function refuse(
  { client, signal, object, log }: JoinPass,
  clock: Clock,
  refusal: Refusal,
): Promise<Outcome> {
  log.warn('a machine may not join', { request: object.metadata.name, ...refusal });
  await decide({ client, clock, signal }, object, 'Denied', refusal);
  return done;
}

/** Without its Secret the token is worth nothing. */
async function takeBack(pass: JoinPass): Promise<Outcome> {
  const { client, object, signal, now } = pass;
  const approved = object.status?.conditions?.find(({ type }) => type === 'Approved');
  const left = Date.parse(approved?.lastUpdateTime ?? '') + FETCH_MS - now;
  if (left > 0) return waiting('Joined', '', left);
  const secret = await tokenSecret(pass);
  if (secret?.metadata.annotations?.[JOINING.usedBy] !== object.metadata.uid) return done;
  await client
    .delete(Secret, secret.metadata, { uid: secret.metadata.uid, signal })
    .catch((error: unknown) => {
      if (!(error instanceof ApiError && error.code === 404)) throw error;
    });
  return done;
}
