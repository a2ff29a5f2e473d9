/** Sums of the parts of archives: of those that only grow at their end they are taken while they are written. */
import type { Files } from '../../../../base/files.ts';
import type { GrowingSum, SumGrowing } from '../../../../base/sums.ts';
import type { Tools } from '../tools.ts';
import { sumOf } from './parts.ts';

export type PartSums = {
  /** A part is about to be written from its beginning, and is only appended to then. What an earlier attempt wrote of it goes. */
  begin(path: string): Promise<void>;
  /** SHA-256 of a part that nobody writes to any more, hexadecimal. Throws as `tools` do, and the signal's reason when aborted. */
  end(tools: Tools, path: string, signal: AbortSignal): Promise<string>;
  /** Nobody wants those of what lies in the directory any more. */
  forget(directory: string): void;
};

/** Without `sumGrowing` all are taken when all is written. */
export function createPartSums(files: Pick<Files, 'remove' | 'stat'>, sumGrowing?: SumGrowing): PartSums {
  const underWay = new Map<string, GrowingSum>();
  const drop = (path: string) => {
    underWay.get(path)?.drop();
    underWay.delete(path);
  };
  return {
    begin: async (path) => {
      drop(path);
      // It must not be read before it is cut off.
      await files.remove(path);
      if (sumGrowing !== undefined) underWay.set(path, sumGrowing(path));
    },
    end: async (tools, path, signal) => {
      const giveUp = () => drop(path);
      signal.addEventListener('abort', giveUp, { once: true });
      const told = await underWay
        .get(path)
        ?.end()
        .catch(() => undefined);
      signal.removeEventListener('abort', giveUp);
      drop(path);
      signal.throwIfAborted();
      // One that is not of all of it counts as none.
      const isWhole = told !== undefined && told.bytes === (await files.stat(path))?.sizeBytes;
      return isWhole ? told.sha256 : sumOf(tools, path, signal);
    },
    forget: (directory) => {
      for (const path of [...underWay.keys()]) if (path.startsWith(`${directory}/`)) drop(path);
    },
  };
}
