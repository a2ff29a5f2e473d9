/**
 * Whole states of file stores: read beside the process that has one open, and written where there is none yet. The file only
 * grows and is replaced whole, so a reader sees every commit up to some moment and nothing of later ones.
 */
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Entry } from './contract.ts';
import { fileName } from './file.ts';
import { createFile, syncDirectory } from './fresh-file.ts';
import { createHistory } from './history.ts';
import { loadFile } from './load.ts';

/** All entries as they stood at one revision. */
export type StoreSnapshot = { revision: number; entries: readonly Entry[] };

/**
 * Reads the newest state in a store's directory, whether a process has it open or not. Throws ReasonedError `StoreDamaged` when the
 * file is not what was written, and the system's error when there is none.
 */
export async function readSnapshot(directory: string): Promise<StoreSnapshot> {
  const path = join(directory, fileName);
  const handle = await open(path, 'r');
  try {
    const { history, newest } = await loadFile(handle, path);
    return { revision: history.revision(), entries: [...newest.values()] };
  } finally {
    await handle.close();
  }
}

/**
 * Makes the store of a directory that has none. Its history begins at the snapshot's revision: whoever asks for what came before is
 * told that it is gone. Resolves once all is on disk.
 */
export async function writeSnapshot(directory: string, { revision, entries }: StoreSnapshot): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { handle } = await createFile(join(directory, fileName), createHistory(entries, revision));
  await handle.close();
  await syncDirectory(directory);
}
