/**
 * What others need to check the tokens of this server by themselves: OpenID Connect Discovery 1.0, as far as it is about tokens.
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
 */
import type { SigningKey } from './signingkey.ts';

/** Where the keys are served. */
export const keysPath = '/openid/v1/jwks';
/** Where the description of the issuer is served. */
export const configurationPath = '/.well-known/openid-configuration';

/** A document by its path. */
export type IssuerDocument = { type: string; body: unknown };

/** Makes the documents; `address` is host:port as clients reach this server. */
export type IssuerDocuments = (path: string, address: string) => IssuerDocument | undefined;

/** The documents of an issuer with one key. */
export function issuerDocuments(issuer: string, { algorithm, id, publicKey }: SigningKey): IssuerDocuments {
  return (path, address) => {
    switch (path) {
      case configurationPath:
        return {
          type: 'application/json',
          body: {
            issuer,
            jwks_uri: `https://${address}${keysPath}`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: [algorithm],
          },
        };
      case keysPath: {
        const key = { use: 'sig', kid: id, alg: algorithm, ...publicKey.export({ format: 'jwk' }) };
        return { type: 'application/jwk-set+json', body: { keys: [key] } };
      }
      default:
        return undefined;
    }
  };
}
