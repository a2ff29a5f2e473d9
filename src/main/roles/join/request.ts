/**
 * A machine asks to join and waits for the answer. The key of the request lies in the state directory until the answer is in use, so that after
 * a crash the same request is asked about again: the cluster has made the host for this very one.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { JOINING, PROTOCOL_VERSION, SIGNERS } from '../../../api/cluster.ts';
import { CertificateSigningRequest } from '../../../api/core.ts';
import { apiVersionOf } from '../../../api/meta.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import { makeRequest } from '../../../base/pki/certificates.ts';
import { ApiError, type Client } from '../../../client/contract.ts';

export type JoinDeps = { client: Client; clock: Clock; files: Files; stateDirectory: string };

type Pending = { host: string; secret: string; key: string; request: string };

const LOOK_MS = 250;
const PATIENCE_MS = 60_000;

function pendingFile(stateDirectory: string): string {
  return join(stateDirectory, 'join-request.json');
}

/** The token of the host's own account. Throws ReasonedError JoinRefused, TokenRefused, NoManager, or ApiError. */
export async function requestCredentials(
  deps: JoinDeps,
  asked: { host: string; secret: string },
  signal: AbortSignal,
): Promise<string> {
  const pending = await pendingRequest(deps, asked);
  const name = requestName(pending);
  try {
    await create(deps.client, name, pending, signal);
    return await open(await answer(deps, name, signal), pending.key);
  } catch (error) {
    if (error instanceof ReasonedError && error.reason === 'JoinRefused') await forgetRequest(deps);
    throw tokenRefused(error) ?? error;
  }
}

/** The answer is in use: the key is needed no more. */
export function forgetRequest({
  files,
  stateDirectory,
}: Pick<JoinDeps, 'files' | 'stateDirectory'>): Promise<void> {
  return files.remove(pendingFile(stateDirectory));
}

async function pendingRequest(
  { files, stateDirectory }: JoinDeps,
  { host, secret }: { host: string; secret: string },
): Promise<Pending> {
  const text = await files.readText(pendingFile(stateDirectory));
  const known = text === undefined ? undefined : (JSON.parse(text) as Pending);
  if (known?.host === host && known.secret === secret) return known;
  const made: Pending = { host, secret, ...(await makeRequest({ commonName: host, names: [] })) };
  await files.writeAtomic(pendingFile(stateDirectory), JSON.stringify(made), { mode: 0o600 });
  return made;
}

/** Follows from the key: the same request has the same name. */
function requestName({ host, request }: Pending): string {
  return `vireo-join-${host}-${createHash('sha256').update(request).digest('hex').slice(0, 16)}`;
}

async function create(
  client: Client,
  name: string,
  { secret, request }: Pending,
  signal: AbortSignal,
): Promise<void> {
  const annotations = { [JOINING.secret]: secret, [JOINING.protocol]: String(PROTOCOL_VERSION) };
  const object: CertificateSigningRequest = {
    apiVersion: apiVersionOf(CertificateSigningRequest),
    kind: CertificateSigningRequest.kind,
    metadata: { name, annotations },
    spec: {
      request: Buffer.from(request).toString('base64'),
      signerName: SIGNERS.join,
      usages: ['key agreement'],
    },
  };
  await client.create(CertificateSigningRequest, object, { signal }).catch((error: unknown) => {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
  });
}

async function answer({ client, clock }: JoinDeps, name: string, signal: AbortSignal): Promise<string> {
  const deadline = clock.monotonic() + PATIENCE_MS;
  for (;;) {
    const { metadata, status } = await client.get(CertificateSigningRequest, { name }, { signal });
    const denied = status?.conditions?.find(({ type }) => type === 'Denied');
    if (denied !== undefined)
      throw new ReasonedError('JoinRefused', denied.message ?? 'refused', { stalled: true });
    const isApproved = status?.conditions?.some(({ type }) => type === 'Approved') ?? false;
    const credentials = metadata.annotations?.[JOINING.credentials];
    if (isApproved && credentials !== undefined) return credentials;
    if (clock.monotonic() > deadline)
      throw new ReasonedError('NoManager', 'nobody has answered: see that a vireo manager runs there');
    await clock.sleep(LOOK_MS, signal);
  }
}

async function open(credentials: string, key: string): Promise<string> {
  const { compactDecrypt, importPKCS8 } = await import('jose');
  const { plaintext } = await compactDecrypt(credentials, await importPKCS8(key, 'ECDH-ES'));
  const { token } = JSON.parse(Buffer.from(plaintext).toString('utf8')) as { token: string };
  return token;
}

function tokenRefused(error: unknown): ReasonedError | undefined {
  if (!(error instanceof ApiError) || error.code !== 401) return undefined;
  const message = 'the token has been used or is too old: make another with `vireo token create`';
  return new ReasonedError('TokenRefused', message, { stalled: true });
}
