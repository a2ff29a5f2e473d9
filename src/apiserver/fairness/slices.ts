/** Cuts work over many stored values into pieces that take about two milliseconds each, whatever the size of the values. */
import type { Entry } from '../../store/contract.ts';

/** Bytes that are parsed in about two milliseconds. */
const parsedBytes = 256 * 1024;

/** The same entries in pieces; a single value above the bound is a piece of its own. */
export function piecesOf(entries: readonly Entry[]): Entry[][] {
  const pieces: Entry[][] = [];
  let piece: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (piece.length > 0 && bytes + entry.value.byteLength > parsedBytes) {
      pieces.push(piece);
      piece = [];
      bytes = 0;
    }
    piece.push(entry);
    bytes += entry.value.byteLength;
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}
