/** Writes the POSIX ustar format (pax(1), "ustar Interchange Format"), enough for a small root file system. */
import { type Entry, joinBlocks } from './entries.ts';

const blockBytes = 512;
const typeFlags = { Directory: '5', File: '0', Link: '1', Symlink: '2', CharDevice: '3' };

/** The archive's bytes, uncompressed. Throws for a path above 100 bytes, which would need the prefix field. */
export function writeTar(entries: readonly Entry[]): Uint8Array {
  const end = new Uint8Array(2 * blockBytes);
  return joinBlocks([...entries.flatMap(member), end], blockBytes);
}

function member(entry: Entry): Uint8Array[] {
  const head = header(entry);
  return entry.kind === 'File' ? [head, joinBlocks([entry.content], blockBytes)] : [head];
}

function header(entry: Entry): Uint8Array {
  const block = new Uint8Array(blockBytes);
  const put = (offset: number, text: string) => block.set(new TextEncoder().encode(text), offset);
  const octal = (offset: number, digits: number, value: number) =>
    put(offset, value.toString(8).padStart(digits, '0'));
  put(0, checkedName(entry));
  octal(100, 7, 'mode' in entry ? entry.mode : 0o777);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, entry.kind === 'File' ? entry.content.length : 0);
  octal(136, 11, 0);
  put(156, typeFlags[entry.kind]);
  put(157, linkName(entry));
  put(257, 'ustar\u000000');
  octal(329, 7, entry.kind === 'CharDevice' ? entry.major : 0);
  octal(337, 7, entry.kind === 'CharDevice' ? entry.minor : 0);
  sign(block);
  return block;
}

function linkName(entry: Entry): string {
  if (entry.kind === 'Symlink') return entry.target;
  return entry.kind === 'Link' ? entry.to : '';
}

function checkedName(entry: Entry): string {
  const name = entry.kind === 'Directory' ? `${entry.path}/` : entry.path;
  if (Buffer.byteLength(name) > 100 || Buffer.byteLength(linkName(entry)) > 100) {
    throw new Error(`tar: the name ${name} is longer than 100 bytes`);
  }
  return name;
}

/** The checksum is the sum of the header's bytes with its own field taken as spaces. */
function sign(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
}
