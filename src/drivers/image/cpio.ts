/** Writes the "newc" cpio format, which the kernel unpacks as its first root (Documentation/driver-api/early-userspace/buffer-format.rst). */
import { type Entry, joinBlocks } from './entries.ts';

const symlink = 0o120000;
const typeBits = {
  Directory: 0o040000,
  File: 0o100000,
  Symlink: symlink,
  Link: symlink,
  CharDevice: 0o020000,
};
const empty = new Uint8Array();

/** The archive's bytes, uncompressed; all files belong to root and carry no time, so equal input gives equal bytes. */
export function writeCpio(entries: readonly Entry[]): Uint8Array {
  const parts = entries.flatMap((entry, index) => member(entry, index + 1));
  const trailer = header({
    inode: 0,
    mode: 0,
    links: 1,
    sizeBytes: 0,
    major: 0,
    minor: 0,
    name: 'TRAILER!!!',
  });
  return joinBlocks([...parts, trailer], 512);
}

function member(entry: Entry, inode: number): Uint8Array[] {
  const content = contentOf(entry);
  const head = header({
    inode,
    mode: typeBits[entry.kind] | ('mode' in entry ? entry.mode : 0o777),
    links: entry.kind === 'Directory' ? 2 : 1,
    sizeBytes: content.length,
    major: entry.kind === 'CharDevice' ? entry.major : 0,
    minor: entry.kind === 'CharDevice' ? entry.minor : 0,
    name: entry.path,
  });
  return [head, joinBlocks([content], 4)];
}

/** A second name of a file would have to follow it directly: it is a symbolic link in here. */
function contentOf(entry: Entry): Uint8Array {
  if (entry.kind === 'File') return entry.content;
  if (entry.kind === 'Link') return new TextEncoder().encode(`/${entry.to}`);
  return entry.kind === 'Symlink' ? new TextEncoder().encode(entry.target) : empty;
}

type Header = {
  inode: number;
  mode: number;
  links: number;
  sizeBytes: number;
  major: number;
  minor: number;
  name: string;
};

/** Thirteen fields of eight hexadecimal digits, then the name with its zero byte, padded to four bytes. */
function header(of: Header): Uint8Array {
  const name = new TextEncoder().encode(`${of.name}\0`);
  const fields = [
    of.inode,
    of.mode,
    0,
    0,
    of.links,
    0,
    of.sizeBytes,
    0,
    0,
    of.major,
    of.minor,
    name.length,
    0,
  ];
  const text = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
  return joinBlocks([new TextEncoder().encode(text), name], 4);
}
