/** Authentication: a chain of ways to know a user, by client certificate or by bearer token. */
import type { Subject } from '../../base/pki/certificates.ts';
import type { User } from './user.ts';

/** What a client shows of itself. */
export type Evidence = {
  /** The subject of the client certificate, `invalid` when it is not from our authority or has expired; absent without one. */
  certificate?: Subject | 'invalid';
  /** The value of the Authorization header. */
  authorization?: string;
  /** The address the connection comes from: for the audit log, never for a decision. */
  address?: string;
};

/** A user, `undefined` for "shows nothing of my kind", or `rejected` for a credential that is no good. */
export type Verdict = User | 'rejected' | undefined;

/** One way to know a user. */
export type Authenticator = (evidence: Evidence) => Verdict | Promise<Verdict>;

/** Whom a token stands for and which of the audiences asked for it is meant for (at least one). */
export type TokenVerdict = { user: User; audiences: readonly string[] } | 'rejected' | undefined;

/** One way to know the user of a token that must be meant for one of `audiences`. Undefined: not a token of mine. */
export type TokenAuthenticator = (token: string, audiences: readonly string[]) => Promise<TokenVerdict>;

/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates */
export const authenticateCertificate: Authenticator = ({ certificate }) => {
  if (certificate === undefined) return undefined;
  if (certificate === 'invalid' || certificate.commonName === '') return 'rejected';
  return { name: certificate.commonName, groups: [...certificate.organizations, 'system:authenticated'] };
};

/** Longer ones are no tokens; headers are bounded anyway. */
const tokenLimit = 16 * 1024;

/** `Authorization: Bearer TOKEN` (RFC 6750). A token nobody knows must not pass as anonymous. */
export function authenticateBearer(
  authenticate: TokenAuthenticator,
  audiences: readonly string[],
): Authenticator {
  return async ({ authorization }) => {
    if (authorization === undefined) return undefined;
    const token = /^bearer +([^ ]+) *$/i.exec(authorization)?.[1];
    if (token === undefined || token.length > tokenLimit) return 'rejected';
    const verdict = await authenticate(token, audiences);
    return verdict === undefined || verdict === 'rejected' ? 'rejected' : verdict.user;
  };
}

/** Asks the links in order; the first that knows the user decides. Whoever shows only credentials that are no good is rejected. */
export function firstOf(links: readonly Authenticator[]): Authenticator {
  return async (evidence) => {
    let last: Verdict;
    for (const link of links) {
      const verdict = await link(evidence);
      if (verdict !== undefined && verdict !== 'rejected') return verdict;
      last ??= verdict;
    }
    return last;
  };
}

/** Asks the links in order; the first whose kind of token it is decides. */
export function firstToken(links: readonly TokenAuthenticator[]): TokenAuthenticator {
  return async (token, audiences) => {
    for (const link of links) {
      const verdict = await link(token, audiences);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };
}
