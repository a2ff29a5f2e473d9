/**
 * One value at rest: AES-256-GCM under one of the keys, bound to the place it lies at, so that a value moved to another key of
 * the store does not open. Layout: magic, length and name of the key, 12 bytes nonce, ciphertext, 16 bytes tag.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Random } from '../../base/random.ts';

/** A key with the name that values sealed with it carry. */
export type EncryptionKey = { name: string; key: Uint8Array };

/** The keys; the first seals, all open. */
export type EncryptionKeys = readonly [EncryptionKey, ...EncryptionKey[]];

/** A plain value is JSON and begins with `{`; NUL never begins one. */
const magic = Buffer.from('\0aesgcm1', 'latin1');
const nonceBytes = 12;
const tagBytes = 16;
const cipher = 'aes-256-gcm';

/** A value that cannot be opened: sealed with a key that is not here, moved, or damaged. */
export class SealedValueError extends Error {}

/** True for a value that has been sealed. */
export function isSealed(value: Uint8Array): boolean {
  return value.length > magic.length && Buffer.compare(value.subarray(0, magic.length), magic) === 0;
}

/** The name of the key a value is sealed with; undefined for a plain one. */
export function sealName(value: Uint8Array): string | undefined {
  if (!isSealed(value)) return undefined;
  const start = magic.length + 1;
  return Buffer.from(value.subarray(start, start + (value[magic.length] ?? 0))).toString();
}

/** Seals a value for its place. */
export function seal(keys: EncryptionKeys, place: string, plain: Uint8Array, random: Random): Buffer {
  const { name, key } = keys[0];
  const nonce = random.bytes(nonceBytes);
  const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  sealing.setAAD(Buffer.from(place));
  const label = Buffer.from(name);
  return Buffer.concat([
    magic,
    Buffer.from([label.length]),
    label,
    nonce,
    sealing.update(plain),
    sealing.final(),
    sealing.getAuthTag(),
  ]);
}

/** Opens a value; one that was never sealed is given back as it is. Throws SealedValueError. */
export function open(keys: EncryptionKeys, place: string, value: Uint8Array): Uint8Array {
  if (!isSealed(value)) return value;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const nameEnd = magic.length + 1 + (bytes[magic.length] ?? 0);
  const name = sealName(value);
  const key = keys.find((item) => item.name === name)?.key;
  if (key === undefined) {
    throw new SealedValueError(
      `${place} is encrypted with the key ${JSON.stringify(name)}, which the key file does not hold`,
    );
  }
  const bodyStart = nameEnd + nonceBytes;
  const tagStart = bytes.length - tagBytes;
  if (tagStart < bodyStart) throw new SealedValueError(`${place} is damaged: too short`);
  try {
    const opening = createDecipheriv(cipher, key, bytes.subarray(nameEnd, bodyStart), {
      authTagLength: tagBytes,
    });
    opening.setAAD(Buffer.from(place));
    opening.setAuthTag(bytes.subarray(tagStart));
    return Buffer.concat([opening.update(bytes.subarray(bodyStart, tagStart)), opening.final()]);
  } catch {
    throw new SealedValueError(
      `${place} does not open: it is damaged, was moved, or its key is another one of the same name`,
    );
  }
}
