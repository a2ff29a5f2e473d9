/** The operating system's randomness behind the Random port. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../../base/random.ts';

/** Cryptographically strong randomness; `float` has 48 bits. */
export function realRandom(): Random {
  return {
    float: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
    bytes: (length) => new Uint8Array(randomBytes(length)),
  };
}
