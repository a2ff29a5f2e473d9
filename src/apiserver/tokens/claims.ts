/** What service-account tokens say, in the two forms of Kubernetes: bound ones that expire, and those of Secrets that do not. */
import { isRecord } from '../object.ts';

/** The issuer of tokens that TokenRequest gives out, and the audience of this server. */
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';
/** The issuer of tokens in Secrets. */
export const legacyIssuer = 'kubernetes/serviceaccount';

/** An object that is named by a token. */
export type Referent = { name: string; uid: string };

/** The account a token stands for and what it lives and dies with. */
export type AccountClaims = {
  namespace: string;
  account: Referent;
  /** Beside the account; by the kind of the object. */
  bound?: { kind: BoundKind; referent: Referent };
  /** The name of the Secret that holds the token. */
  secret?: string;
  id?: string;
};

/** Kinds a token can be bound to; their claim is the name in lower case. */
export const boundKinds = ['Pod', 'Secret', 'Node'] as const;
export type BoundKind = (typeof boundKinds)[number];

/** The private claims of a token from TokenRequest (KEP-1205). */
export function boundClaims({ namespace, account, bound }: AccountClaims): Record<string, unknown> {
  return {
    'kubernetes.io': {
      namespace,
      serviceaccount: account,
      ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: bound.referent }),
    },
  };
}

const legacy = 'kubernetes.io/serviceaccount/';

/** The private claims of a token in a Secret. */
export function secretClaims({ namespace, account, secret }: AccountClaims): Record<string, unknown> {
  return {
    [`${legacy}namespace`]: namespace,
    [`${legacy}secret.name`]: secret ?? '',
    [`${legacy}service-account.name`]: account.name,
    [`${legacy}service-account.uid`]: account.uid,
  };
}

/** Reads either form; undefined when a claim is missing or malformed. */
export function readClaims(payload: Record<string, unknown>): AccountClaims | undefined {
  return payload.iss === legacyIssuer ? readSecretClaims(payload) : readBoundClaims(payload);
}

function readSecretClaims(payload: Record<string, unknown>): AccountClaims | undefined {
  const [namespace, secret, name, uid] = [
    'namespace',
    'secret.name',
    'service-account.name',
    'service-account.uid',
  ].map((claim) => payload[legacy + claim]);
  if (![namespace, secret, name, uid].every((value) => typeof value === 'string' && value !== ''))
    return undefined;
  return {
    namespace: String(namespace),
    account: { name: String(name), uid: String(uid) },
    secret: String(secret),
  };
}

function readBoundClaims(payload: Record<string, unknown>): AccountClaims | undefined {
  const claims = payload['kubernetes.io'];
  if (!isRecord(claims) || typeof claims.namespace !== 'string') return undefined;
  const account = referentOf(claims.serviceaccount);
  if (account === undefined) return undefined;
  const result: AccountClaims = { namespace: claims.namespace, account };
  if (typeof payload.jti === 'string') result.id = payload.jti;
  for (const kind of boundKinds) {
    const claim = claims[kind.toLowerCase()];
    if (claim === undefined) continue;
    const referent = referentOf(claim);
    // A bond that cannot be read cannot be checked.
    if (referent === undefined || result.bound !== undefined) return undefined;
    result.bound = { kind, referent };
  }
  return result;
}

function referentOf(value: unknown): Referent | undefined {
  if (!isRecord(value) || typeof value.name !== 'string' || typeof value.uid !== 'string') return undefined;
  return { name: value.name, uid: value.uid };
}
