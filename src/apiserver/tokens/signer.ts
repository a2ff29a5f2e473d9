/** Signs and reads JSON Web Tokens with the server's key. The library is loaded when the first token comes along. */
import type { Clock } from '../../base/clock.ts';
import type { SigningKey } from './signingkey.ts';

/** The payload of a token. */
export type Payload = Record<string, unknown>;

/** The signer. */
export type Signer = {
  sign(payload: Payload): Promise<string>;
  /** The payload of a token that this key has signed and that is good now; undefined for any other. */
  read(token: string): Promise<Payload | undefined>;
};

/** Payloads of tokens seen lately: a signature costs 0.2 ms to check, and clients send the same token with each request. */
const rememberedLimit = 1024;

/** Makes the signer. */
export function createSigner(key: SigningKey, clock: Clock): Signer {
  const { algorithm: alg, id: kid, privateKey, publicKey } = key;
  const remembered = new Map<string, Payload>();
  return {
    sign: async (payload) => {
      const { SignJWT } = await import('jose');
      return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey);
    },
    read: async (token) => {
      const known = remembered.get(token) ?? (await verified(token));
      if (known === undefined) return undefined;
      if (!isTimely(known, clock.now() / 1000)) {
        remembered.delete(token);
        return undefined;
      }
      if (remembered.size >= rememberedLimit) remembered.clear();
      remembered.set(token, known);
      return known;
    },
  };

  async function verified(token: string): Promise<Payload | undefined> {
    const { compactVerify } = await import('jose');
    try {
      const { payload } = await compactVerify(token, publicKey, { algorithms: [alg] });
      const claims: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
      return typeof claims === 'object' && claims !== null ? (claims as Payload) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** RFC 7519: exp and nbf are seconds since the epoch; a claim of another type is not understood and so not met. */
function isTimely({ exp, nbf }: Payload, nowSeconds: number): boolean {
  const begun = nbf === undefined || (typeof nbf === 'number' && nbf <= nowSeconds);
  return begun && (exp === undefined || (typeof exp === 'number' && nowSeconds < exp));
}

/** The issuer a token names, unchecked: only to choose who checks it. */
export function issuerOf(token: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const issuer =
      typeof payload === 'object' && payload !== null && 'iss' in payload ? payload.iss : undefined;
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}
