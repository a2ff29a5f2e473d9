/**
 * Frames: each message in the file carries its length and a checksum, so that a write cut short by a crash and a damaged disk are
 * both seen, and told apart: after a torn write nothing follows, after damage there are more whole frames.
 */
import { crc32 } from 'node:zlib';

/** "VIR1", little-endian: where a frame may start. */
const magic = 0x31524956;
const headBytes = 12;
/** No frame is longer: a length beyond it is damage, not a reason to allocate. */
const maxFrameBytes = 512 * 1024 * 1024;

/** The frame around one message. */
export function frame(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(headBytes + payload.length);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(payload.length, 4);
  bytes.writeUInt32LE(checksum(payload), 8);
  bytes.set(payload, headBytes);
  return bytes;
}

export type Parsed =
  | { type: 'frame'; payload: Uint8Array; end: number }
  /** The frame goes on beyond these bytes: at least `needed` of them are wanted. */
  | { type: 'more'; needed: number }
  | { type: 'broken' };

/** Looks at the frame that starts at `start`. */
export function parseFrame(bytes: Buffer, start: number): Parsed {
  if (bytes.length - start < headBytes) return { type: 'more', needed: headBytes };
  const length = bytes.readUInt32LE(start + 4);
  if (bytes.readUInt32LE(start) !== magic || length > maxFrameBytes) return { type: 'broken' };
  const end = start + headBytes + length;
  if (end > bytes.length) return { type: 'more', needed: headBytes + length };
  const payload = bytes.subarray(start + headBytes, end);
  return checksum(payload) === bytes.readUInt32LE(start + 8)
    ? { type: 'frame', payload, end }
    : { type: 'broken' };
}

/** The place of the first whole frame after `start`, or undefined. */
export function findFrame(bytes: Buffer, start: number): number | undefined {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(magic, 0);
  for (let at = bytes.indexOf(mark, start + 1); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    if (parseFrame(bytes, at).type === 'frame') return at;
  }
  return undefined;
}

/** Seeded with the length, so that a run of zeros is never a valid frame. */
function checksum(payload: Uint8Array): number {
  return crc32(payload, payload.length);
}
