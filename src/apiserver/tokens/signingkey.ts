/** The key that signs service-account tokens: made at the first start, in a file of its own beside the certificates. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { Files } from '../../base/files.ts';

/** A signing key. */
export type SigningKey = {
  algorithm: 'ES256' | 'RS256';
  /** What the header of a token calls it. */
  id: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
};

/** Reads `<directory>/sa.key` (PEM; EC P-256 or RSA) or makes one, mode 0600. Throws when the file holds something else. */
export async function loadSigningKey(files: Files, directory: string): Promise<SigningKey> {
  const path = `${directory}/sa.key`;
  const known = await files.readText(path);
  if (known !== undefined) return readKey(known, path);
  const key = await makeSigningKey();
  await files.writeAtomic(path, key.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return key;
}

/** A new key that nobody keeps: tokens end with the process. */
export async function makeSigningKey(): Promise<SigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
  return keyOf(privateKey, 'ES256');
}

function readKey(pem: string, path: string): SigningKey {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'rsa') return keyOf(key, 'RS256');
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return keyOf(key, 'ES256');
  } catch {
    // Told below, without what the file holds.
  }
  throw new Error(
    `${path} is no private key (PEM, EC P-256 or RSA): restore it, or remove it to make a new one, which ends all service-account tokens`,
  );
}

function keyOf(privateKey: KeyObject, algorithm: SigningKey['algorithm']): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
  return { algorithm, id, privateKey, publicKey };
}
