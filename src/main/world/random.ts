/** The operating system's randomness behind the Random port. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../../base/random.ts';

/** Asking the system costs the same for few bytes and for many. */
const POOL_BYTES = 4_096;

/** Cryptographically strong randomness; `float` has 48 bits. */
export function realRandom(): Random {
  let pool = Buffer.alloc(0);
  /** Each byte is given out once. */
  const take = (length: number): Buffer => {
    if (length > POOL_BYTES) return randomBytes(length);
    if (pool.length < length) pool = randomBytes(POOL_BYTES);
    const taken = pool.subarray(0, length);
    pool = pool.subarray(length);
    return taken;
  };
  return {
    float: () => take(6).readUIntBE(0, 6) / 2 ** 48,
    bytes: (length) => new Uint8Array(take(length)),
  };
}
