/** Names and uids that the server itself makes. */
import type { Random } from '../../base/random.ts';

/** Without vowels and look-alikes, so that no suffix spells a word or is misread (apimachinery, util/rand). */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const prefixLimit = 63 - suffixLength;

/** A name for `metadata.generateName`: the prefix, cut where a label would be too long, and five random characters. */
export function generatedName(prefix: string, random: Random): string {
  let name = prefix.slice(0, prefixLimit);
  for (let count = 0; count < suffixLength; count++) {
    name += alphabet[Math.floor(random.float() * alphabet.length)] ?? 'x';
  }
  return name;
}

/** A random UUID, version 4 (RFC 9562). */
export function newUid(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
