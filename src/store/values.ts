/** Memory of values: many are cut from larger pieces, and each of those lies in memory whole for as long as one value of it is kept. */
import { setImmediate as breathe } from 'node:timers/promises';
import type { Entry } from './contract.ts';

/** Values copied in one go: few, for memory that is asked for brings the garbage collector, and others wait for that too. */
const step = 25;

/**
 * The value in memory of its own. Small Buffers are cut from pieces of eight kilobytes, with whatever else was written about then: one that
 * is kept would keep its whole piece.
 */
export function alone(value: Uint8Array): Uint8Array {
  return value.length === value.buffer.byteLength ? value : new Uint8Array(value);
}

/**
 * Gives the values of `entries` memory of their own, in place, so that all who keep an entry have the same one. One piece after the other is
 * left, and others get their turn between steps.
 */
export async function separate(entries: Iterable<Entry>): Promise<void> {
  const byPiece = new Map<ArrayBufferLike, Entry[]>();
  let looked = 0;
  for (const entry of entries) {
    if (++looked % step === 0) await breathe();
    const { buffer, length } = entry.value;
    if (length === buffer.byteLength) continue;
    const others = byPiece.get(buffer);
    if (others === undefined) byPiece.set(buffer, [entry]);
    else others.push(entry);
  }
  for (const [piece, sharing] of byPiece) {
    byPiece.delete(piece);
    for (const entry of sharing) {
      entry.value = alone(entry.value);
      if (++looked % step === 0) await breathe();
    }
  }
}
