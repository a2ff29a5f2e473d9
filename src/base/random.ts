/** Randomness as a port: seeded in tests and in the simulator. */

export type Random = {
  /** A number in [0, 1). */
  float(): number;
  /** `length` random bytes; cryptographically strong in the real adapter. */
  bytes(length: number): Uint8Array;
};
