/** What a join token says of itself. It is only read here: whether it is good is for the API server to say. */
import { ReasonedError } from '../../../base/outcome.ts';

/** Claims of a token that is bound to a Secret (RFC 7519; Kubernetes puts the rest under `kubernetes.io`). */
export type JoinToken = { id: string; secret: string };

/** Throws ReasonedError InvalidToken. */
export function readToken(token: string): JoinToken {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const claims = payload as { jti?: unknown; 'kubernetes.io'?: { secret?: { name?: unknown } } };
    const secret = claims['kubernetes.io']?.secret?.name;
    if (typeof secret === 'string') return { id: String(claims.jti ?? ''), secret };
  } catch {
    // Said below.
  }
  throw new ReasonedError('InvalidToken', 'this is no token of `vireo token create`', { stalled: true });
}
