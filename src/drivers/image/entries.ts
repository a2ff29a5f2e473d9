/** What goes into an archive, named in memory: archives are written byte by byte here, so no step needs root or device nodes on disk. */

/** One file of an archive. Paths are relative, without a leading `./`; everything belongs to root. */
export type Entry =
  | { kind: 'Directory'; path: string; mode: number }
  | { kind: 'File'; path: string; mode: number; content: Uint8Array }
  | { kind: 'Symlink'; path: string; target: string }
  /** Another name of the file `to`, which comes earlier in the archive. */
  | { kind: 'Link'; path: string; to: string }
  | { kind: 'CharDevice'; path: string; mode: number; major: number; minor: number };

/** A directory entry, 0755 unless told. */
export function directory(path: string, mode = 0o755): Entry {
  return { kind: 'Directory', path, mode };
}

/** A file from text or bytes, 0644 unless told. */
export function file(path: string, content: string | Uint8Array, mode = 0o644): Entry {
  return {
    kind: 'File',
    path,
    mode,
    content: typeof content === 'string' ? new TextEncoder().encode(content) : content,
  };
}

/** The bytes of all parts in a row, filled up with zeros to a multiple of `blockBytes`. */
export function joinBlocks(parts: readonly Uint8Array[], blockBytes: number): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const joined = new Uint8Array(Math.ceil(length / blockBytes) * blockBytes);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
