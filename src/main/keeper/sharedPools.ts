/**
 * What a host has written to shared pools and still holds in memory would come out beside what a guest writes that was started elsewhere meanwhile. The
 * agent notes where such pools are, in the run directory, which a boot empties; the keeper, which may be the last that lives, has them written out.
 */
import { join } from 'node:path';
import type { Files } from '../../base/files.ts';
import type { World } from '../../base/world.ts';

const NOTES = 'shared-pools.json';
const SYNC_MS = 5_000;
/** sync(1) about a path that is there no more. */
const GONE = 'No such file or directory';

/** Notes a shared pool, before anything is written to it. One that is noted stays so until the next boot. */
export function noteShared(files: Files, runDirectory: string): (path: string) => Promise<void> {
  let line: Promise<unknown> = Promise.resolve();
  return (path) => {
    const note = async (): Promise<void> => {
      const known = await notedIn(files, runDirectory);
      if (known.includes(path)) return;
      await files.makeDirectory(runDirectory, { mode: 0o700, fleeting: true });
      const text = JSON.stringify([...known, path]);
      await files.writeAtomic(join(runDirectory, NOTES), text, { mode: 0o600, fleeting: true });
    };
    const noted = line.then(note, note);
    line = noted;
    return noted;
  };
}

/**
 * Resolves when all that was written to noted pools before the call is on their storage (syncfs(2)); rejects when that failed. Storage that does not
 * answer is waited for. Who calls while it is being done shares what is done next.
 */
export function writeOutShared(
  { files, processes }: Pick<World, 'files' | 'processes'>,
  runDirectory: string,
): () => Promise<void> {
  const sync = async (path: string): Promise<void> => {
    const argv = ['sync', '--file-system', path];
    const { code, stderr } = await processes.run(argv, { timeoutMs: SYNC_MS });
    if (code !== 0 && !stderr.includes(GONE))
      throw new Error(`what was written to ${path} is held back still: ${stderr.trim()}`);
  };
  let current: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= current.then(async () => {
      next = undefined;
      const all = notedIn(files, runDirectory).then((paths) => Promise.all(paths.map(sync)));
      current = all.catch(() => undefined);
      await all;
    });
    return next;
  };
}

async function notedIn(files: Files, runDirectory: string): Promise<string[]> {
  const text = await files.readText(join(runDirectory, NOTES));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}
