/** Disks of a limited size for machines of a lab, so that they can be full: a file system each, in a file. A power cut leaves them as they are. */
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, run } from '../e2e/harness/commands.ts';

/** What takes up the space of a disk that is to be full. */
const filler = (path: string) => join(path, 'filler');

/** Unless it is there already. */
export async function insertDisk(path: string, bytes: number): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o711 });
  if ((await mountsBelow(path)).length > 0) return;
  const file = `${path}.disk`;
  await writeFile(file, '');
  await truncate(file, bytes);
  await must(['mkfs.ext4', '-q', '-m', '0', '-E', 'root_owner=0:0', file]);
  await must(['mount', '-o', 'loop', file, path]);
}

/** Nothing more can be written to it. dd(1) ends with an error when it has come that far. */
export async function fillDisk(path: string): Promise<void> {
  await run(['dd', 'if=/dev/zero', `of=${filler(path)}`, 'bs=64K', 'oflag=append', 'conv=notrunc']);
}

export async function freeDisk(path: string): Promise<void> {
  await rm(filler(path), { force: true });
}

/** All disks at or below the directory are gone, with what is on them. */
export async function ejectDisks(directory: string): Promise<void> {
  for (const path of await mountsBelow(directory)) await run(['umount', '--lazy', path]);
}

async function mountsBelow(directory: string): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n');
  const paths = mounts.map((line) => line.split(' ')[1] ?? '');
  return paths.filter((path) => path === directory || path.startsWith(`${directory}/`)).reverse();
}
