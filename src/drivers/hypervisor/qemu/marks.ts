/**
 * Marks on disks of what was written since a moment: dirty bitmaps of QEMU, kept in the file of a qcow2 disk when its machine ends in order, and
 * known as lost when it does not. https://www.qemu.org/docs/master/interop/bitmaps.html
 */
import type { CopyBegun, DiskCopy } from '../contract.ts';
import { formatNode } from './plan/ids.ts';
import type { QmpConnection } from './qmp.ts';

const prefix = 'vireo-';
/** Writing a bitmap out of a file, or marking one as gone there. */
const removeMs = 60_000;

/** One mark by its name; `isWhole`: nothing was written that it does not know. */
export type Mark = { name: string; isWhole: boolean };

/** The marks of the disk of one node, and whether others can be made: on one that is written to, and lasting ones where its format can keep them. */
type MarkedDisk = { marks: readonly Mark[]; can: 'Lasting' | 'Fleeting' | 'None' };

/** By the name of the node. */
export type Marks = ReadonlyMap<string, MarkedDisk>;

type QueryNode = {
  'node-name': string;
  drv: string;
  ro: boolean;
  'dirty-bitmaps'?: readonly { name?: string; recording: boolean; inconsistent?: boolean }[];
};

/** The name of the bitmap that holds a mark. */
export function bitmapName(mark: string): string {
  return `${prefix}${mark}`;
}

/** The marks of all disks of a machine. */
export async function marksOf(monitor: QmpConnection): Promise<Marks> {
  const nodes = (await monitor.execute('query-named-block-nodes', { flat: true })) as QueryNode[];
  return new Map(nodes.map((node) => [node['node-name'], markedDisk(node)]));
}

function markedDisk({ drv, ro, 'dirty-bitmaps': bitmaps = [] }: QueryNode): MarkedDisk {
  const marks = bitmaps.flatMap(({ name, recording, inconsistent }) =>
    name?.startsWith(prefix) === true
      ? [{ name: name.slice(prefix.length), isWhole: recording && inconsistent !== true }]
      : [],
  );
  return { marks, can: ro ? 'None' : drv === 'qcow2' ? 'Lasting' : 'Fleeting' };
}

/** What is copied of a disk by the marks it has. */
export function begunBy(disk: MarkedDisk | undefined, { name, since = [] }: DiskCopy): CopyBegun {
  const found = since.map((wanted) => disk?.marks.find((mark) => mark.name === wanted));
  const best = found.find((mark) => mark?.isWhole === true);
  if (best !== undefined) return { name, since: best.name };
  if (since.length === 0) return { name };
  return { name, lost: found.some((mark) => mark !== undefined) ? 'Half' : 'Gone' };
}

/** What a transaction says to begin a mark; a disk that nobody writes to needs none. */
export function marking(disk: MarkedDisk | undefined, { name, mark }: DiskCopy): object[] {
  if (mark === undefined || disk === undefined || disk.can === 'None') return [];
  const data = { node: formatNode(name), name: bitmapName(mark), persistent: disk.can === 'Lasting' };
  return [{ type: 'block-dirty-bitmap-add', data }];
}

/** Removes the marks that `goes` says, whole or lost, of all disks. */
export async function removeMarks(
  monitor: QmpConnection,
  marks: Marks,
  goes: (mark: Mark) => boolean,
): Promise<void> {
  for (const [node, disk] of marks)
    for (const mark of disk.marks.filter(goes)) {
      const values = { node, name: bitmapName(mark.name) };
      await monitor.execute('block-dirty-bitmap-remove', values, { timeoutMs: removeMs });
    }
}
