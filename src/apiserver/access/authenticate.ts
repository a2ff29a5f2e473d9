/** Authentication: a chain of ways to know a user. Client certificates now; tokens are further links of the same chain. */
import type { User } from './user.ts';

/** What a client shows of itself. */
export type Evidence = {
  /** The subject of the client certificate, `invalid` when it is not from our authority or has expired; absent without one. */
  certificate?: CertificateSubject | 'invalid';
  /** The value of the Authorization header. */
  authorization?: string;
};

/** The parts of an X.509 subject that name a user: CN is the name, each O a group. */
export type CertificateSubject = { commonName: string; organizations: readonly string[] };

/** A user, `undefined` for "shows nothing of my kind", or `rejected` for a credential that is no good. */
export type Verdict = User | 'rejected' | undefined;

/** One way to know a user. */
export type Authenticator = (evidence: Evidence) => Verdict | Promise<Verdict>;

/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates */
export const authenticateCertificate: Authenticator = ({ certificate }) => {
  if (certificate === undefined) return undefined;
  if (certificate === 'invalid' || certificate.commonName === '') return 'rejected';
  return { name: certificate.commonName, groups: [...certificate.organizations, 'system:authenticated'] };
};

/** A bearer token that no authenticator knows must not pass as anonymous. */
export const rejectUnknownTokens: Authenticator = ({ authorization }) =>
  authorization === undefined ? undefined : 'rejected';

/** Asks the links in order; the first that says anything decides. */
export function firstOf(links: readonly Authenticator[]): Authenticator {
  return async (evidence) => {
    for (const link of links) {
      const verdict = await link(evidence);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  };
}
