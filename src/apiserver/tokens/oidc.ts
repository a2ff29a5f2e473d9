/**
 * Knows users by the ID tokens of an OpenID Connect issuer, with the options of kube-apiserver.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
 */
import type { JSONWebKeySet, JWTPayload } from 'jose';
import type { World } from '../../base/world.ts';
import type { TokenAuthenticator } from '../access/authenticate.ts';
import type { User } from '../access/user.ts';
import { isRecord } from '../object.ts';
import { issuerOf } from './signer.ts';

/** Which tokens are believed, and what of them is the user. */
export type OidcOptions = {
  world: Pick<World, 'clock' | 'log'>;
  /** Reads a JSON document over https. */
  fetchJson: (url: string, signal: AbortSignal) => Promise<unknown>;
  /** `https://...`, exactly as the tokens have it. */
  issuer: string;
  /** The audience tokens must have. */
  clientId: string;
  /** Default sub. */
  usernameClaim?: string;
  /** Default ISSUER#, and nothing for the claim email; `-` is nothing. */
  usernamePrefix?: string;
  /** Default: no groups. */
  groupsClaim?: string;
  groupsPrefix?: string;
  /** The audience that stands for this server in TokenReviews. */
  serverAudience: string;
};

const fetchMs = 10_000;
/** Keys are read again after this, and at once, but not more often than the next, when a token names one that is not there. */
const refreshMs = 600_000;
const leastRefreshMs = 15_000;
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** Makes the authenticator. Throws when the issuer is no https URL. */
export function authenticateOidc(options: OidcOptions): TokenAuthenticator {
  const { issuer, clientId, world, serverAudience } = options;
  if (!issuer.startsWith('https://')) throw new Error(`the OIDC issuer ${issuer} must be an https URL`);
  const keys = keySource(options);
  return async (token, audiences) => {
    if (issuerOf(token) !== issuer) return undefined;
    if (!audiences.includes(serverAudience)) return 'rejected';
    const { jwtVerify, createLocalJWKSet, errors } = await import('jose');
    const verify = async (set: JSONWebKeySet) =>
      jwtVerify(token, createLocalJWKSet(set), {
        issuer,
        audience: clientId,
        algorithms,
        requiredClaims: ['exp'],
        currentDate: new Date(world.clock.now()),
      });
    try {
      const verified = await verify(await keys(false)).catch(async (error: unknown) => {
        if (error instanceof errors.JWKSNoMatchingKey) return verify(await keys(true));
        throw error;
      });
      const user = userOf(verified.payload, options);
      return user === undefined ? 'rejected' : { user, audiences: [serverAudience] };
    } catch (error) {
      // What is wrong with a token is for the log: a stranger must not learn it by trying.
      world.log.info('a token of the OIDC issuer is refused', { issuer, error: String(error) });
      return 'rejected';
    }
  };
}

/** The issuer's keys, found by discovery; one reading at a time for all who wait. */
function keySource({ fetchJson, issuer, world }: OidcOptions): (fresh: boolean) => Promise<JSONWebKeySet> {
  let known: { set: JSONWebKeySet; atMs: number } | undefined;
  let triedMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<JSONWebKeySet> | undefined;

  async function read(): Promise<JSONWebKeySet> {
    const signal = AbortSignal.timeout(fetchMs);
    const found = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, signal);
    if (!isRecord(found) || found.issuer !== issuer || typeof found.jwks_uri !== 'string') {
      throw new Error('its discovery document names another issuer or no keys');
    }
    if (!found.jwks_uri.startsWith('https://')) throw new Error('its keys are not at an https URL');
    const set = await fetchJson(found.jwks_uri, signal);
    if (!isRecord(set) || !Array.isArray(set.keys)) throw new Error('its document of keys holds none');
    const result: JSONWebKeySet = { keys: set.keys.filter(isRecord) };
    known = { set: result, atMs: world.clock.monotonic() };
    return result;
  }

  return async (fresh) => {
    const now = world.clock.monotonic();
    const isDue = known === undefined || fresh || now - known.atMs > refreshMs;
    if (reading !== undefined && isDue) return reading;
    if (known !== undefined && (!isDue || now - triedMs < leastRefreshMs)) return known.set;
    if (now - triedMs < leastRefreshMs) throw new Error('its keys could not be read a moment ago');
    triedMs = now;
    reading = read().finally(() => {
      reading = undefined;
    });
    // With old keys at hand an issuer that is away for a while does no harm.
    return known === undefined || fresh ? reading : reading.catch(() => known?.set ?? { keys: [] });
  };
}

/** Names of the system are its own: no issuer can make somebody a master or a service account. */
const isReserved = (name: string) => name.startsWith('system:');

function userOf(payload: JWTPayload, options: OidcOptions): User | undefined {
  const { usernameClaim = 'sub', groupsClaim, groupsPrefix = '' } = options;
  const value = payload[usernameClaim];
  if (typeof value !== 'string' || value === '') return undefined;
  if (usernameClaim === 'email' && payload.email_verified === false) return undefined;
  const name = prefixOf(options) + value;
  if (isReserved(name)) return undefined;
  const listed = groupsClaim === undefined ? [] : [payload[groupsClaim]].flat();
  const groups = listed.filter((group) => typeof group === 'string').map((group) => groupsPrefix + group);
  return { name, groups: [...groups.filter((group) => !isReserved(group)), 'system:authenticated'] };
}

function prefixOf({ issuer, usernameClaim = 'sub', usernamePrefix }: OidcOptions): string {
  if (usernamePrefix === '-') return '';
  return usernamePrefix ?? (usernameClaim === 'email' ? '' : `${issuer}#`);
}
