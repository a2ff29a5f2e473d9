/** Knows the users of service-account tokens. What a token is bound to must still be there, so deleting it revokes the token at once. */
import { timingSafeEqual } from 'node:crypto';
import type { TokenAuthenticator } from '../access/authenticate.ts';
import { accountUser } from '../access/rbac/grants.ts';
import type { User } from '../access/user.ts';
import { keyOf } from '../catalog/keys.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { type AccountClaims, type BoundKind, legacyIssuer, type Referent, readClaims } from './claims.ts';
import { issuerOf, type Signer } from './signer.ts';

/** Each request with a token reads two or three objects that hardly ever change. */
const read = new WeakMap<object, KubeObject>();

/** Reads an object of a core kind; undefined when it, or its kind, does not exist. Node has no namespace. The object is shared: not to be changed. */
export function readCore(
  context: Context,
  plural: string,
  namespace: string | undefined,
  name: string,
): KubeObject | undefined {
  const served = context.catalog.find('', 'v1', plural);
  if (served === undefined) return undefined;
  const entry = context.store.get(
    keyOf(served.prefix, served.resource.namespaced ? namespace : undefined, name),
  );
  if (entry === undefined) return undefined;
  const object = read.get(entry) ?? decode(served, entry);
  read.set(entry, object);
  return object;
}

/** The plural name of a kind a token can be bound to. */
export function pluralOf(kind: BoundKind): string {
  return `${kind.toLowerCase()}s`;
}

/** The user that a service account is. */
export function userOf(namespace: string, account: Referent, extra?: User['extra']): User {
  return {
    name: accountUser(namespace, account.name),
    uid: account.uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    ...(extra === undefined ? {} : { extra }),
  };
}

/** Makes the authenticator of tokens that `signer` has signed for `issuer`. */
export function authenticateAccounts(context: Context, signer: Signer, issuer: string): TokenAuthenticator {
  return async (token, audiences) => {
    const named = issuerOf(token);
    if (named !== issuer && named !== legacyIssuer) return undefined;
    const payload = await signer.read(token);
    const claims = payload === undefined ? undefined : readClaims(payload);
    if (payload === undefined || claims === undefined) return 'rejected';
    const meant = named === legacyIssuer ? [issuer] : audiencesOf(payload.aud);
    const shared = audiences.filter((audience) => meant.includes(audience));
    if (shared.length === 0 || !isAlive(context, claims, token)) return 'rejected';
    return { user: userOf(claims.namespace, claims.account, extraOf(claims)), audiences: shared };
  };
}

function audiencesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.map(String) : [];
}

function isAlive(
  context: Context,
  { namespace, account, bound, secret }: AccountClaims,
  token: string,
): boolean {
  const stands = (plural: string, { name, uid }: Referent) => {
    const found = readCore(context, plural, namespace, name);
    return found?.metadata.uid === uid && found.metadata.deletionTimestamp === undefined;
  };
  if (!stands('serviceaccounts', account)) return false;
  if (bound !== undefined && !stands(pluralOf(bound.kind), bound.referent)) return false;
  return secret === undefined || holdsToken(readCore(context, 'secrets', namespace, secret), token);
}

/** A token of a Secret is good while that Secret holds that very token. */
function holdsToken(secret: KubeObject | undefined, token: string): boolean {
  if (secret === undefined || secret.metadata.deletionTimestamp !== undefined || !isRecord(secret.data))
    return false;
  const held =
    typeof secret.data.token === 'string' ? Buffer.from(secret.data.token, 'base64') : Buffer.alloc(0);
  const shown = Buffer.from(token);
  return held.length === shown.length && timingSafeEqual(held, shown);
}

function extraOf({ id, bound }: AccountClaims): { [key: string]: string[] } {
  const prefix = 'authentication.kubernetes.io/';
  const kind = bound?.kind === 'Pod' || bound?.kind === 'Node' ? bound.kind.toLowerCase() : undefined;
  return {
    ...(id === undefined ? {} : { [`${prefix}credential-id`]: [`JTI=${id}`] }),
    ...(kind === undefined || bound === undefined
      ? {}
      : {
          [`${prefix}${kind}-name`]: [bound.referent.name],
          [`${prefix}${kind}-uid`]: [bound.referent.uid],
        }),
  };
}
