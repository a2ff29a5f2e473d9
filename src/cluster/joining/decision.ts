/** Decides CertificateSigningRequests through their approval subresource. */
import { CertificateSigningRequest } from '../../api/core.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { timestamp } from '../../base/clock.ts';
import type { Client } from '../../client/contract.ts';

/** Why a request is refused: a constant reason, and what to do. */
export type Refusal = { reason: string; message: string };

type Request = Stored<CertificateSigningRequest>;

/** The decision that stands, if there is one. */
export function decisionOf({ status }: Request): 'Approved' | 'Denied' | 'Failed' | undefined {
  const types = (status?.conditions ?? []).map(({ type }) => type);
  return (['Denied', 'Failed', 'Approved'] as const).find((type) => types.includes(type));
}

/** Writes it, unless the request has changed since it was read (409). */
export async function decide(
  { client, clock, signal }: { client: Client; clock: Clock; signal: AbortSignal },
  { metadata, status }: Request,
  type: 'Approved' | 'Denied',
  { reason, message }: Refusal,
): Promise<Request> {
  const lastUpdateTime = timestamp(clock);
  const condition = {
    type,
    status: 'True',
    reason,
    message,
    lastUpdateTime,
    lastTransitionTime: lastUpdateTime,
  };
  const { uid, resourceVersion } = metadata;
  const patch = {
    metadata: { uid, resourceVersion },
    status: { conditions: [...(status?.conditions ?? []), condition] },
  };
  return client.mergePatch(CertificateSigningRequest, metadata, patch, { subresource: 'approval', signal });
}

/** The PEM text of the request. */
export function requestText({ spec }: Request): string {
  return Buffer.from(spec.request, 'base64').toString('latin1');
}
