/**
 * Btrfs under a pool: each volume is a subvolume, each snapshot another of it, all from btrfs-progs (btrfs-subvolume(8)). Subvolumes
 * are renamed like directories, so volumes are shown and taken away as everywhere.
 */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { World } from '../../../../base/world.ts';
import type { Ground } from '../ground.ts';
import type { Tools } from '../tools.ts';
import { createSubvolumeKeeper } from './keeper.ts';
import { subvolumeInode, subvolumeStream } from './stream.ts';

/** Whoever wants room waits no longer for what was removed; a large tree takes seconds. */
const RECLAIM_MS = 60_000;

/** The ground of a pool of type Btrfs. */
export function btrfsGround(tools: Tools, { files, processes, log }: World): Ground {
  return {
    snapshots: { raw: 'Pool', qcow2: 'Pool', directory: 'Pool' },
    check: async (path) => {
      const { stdout } = await tools.run(['stat', '-f', '-c', '%T', '--', path]);
      if (stdout.trim() === 'btrfs') return;
      const message = `${path} does not lie on a Btrfs file system; mount one there or use a pool of type Directory`;
      throw new ReasonedError('NotBtrfs', message, { stalled: true });
    },
    makeVolume: async (path) => {
      await tools.run(['btrfs', 'subvolume', 'create', path]);
      await files.chmod(path, 0o700);
    },
    removeTree: async (path) => {
      if ((await files.stat(path)) === undefined) return;
      // Deepest first: a container may have made subvolumes of its own.
      const find = ['find', path, '-depth', '-type', 'd', '-inum', subvolumeInode];
      await tools.run([...find, '-exec', 'btrfs', 'subvolume', 'delete', '--', '{}', ';']);
      if ((await files.stat(path)) !== undefined)
        await tools.run(['rm', '-rf', '--one-file-system', '--', path]);
    },
    // A deleted subvolume is taken apart by the kernel later (btrfs-subvolume(8), "sync"): it begins with the next commit, of every 30 seconds.
    reclaim: async (path) => {
      await processes.run(['btrfs', 'filesystem', 'sync', path], { timeoutMs: RECLAIM_MS });
      const result = await processes.run(['btrfs', 'subvolume', 'sync', path], { timeoutMs: RECLAIM_MS });
      if (result.code !== 0)
        log.warn('what was removed may not be free yet', { path, error: result.stderr.trim() });
    },
    limit: async (path, sizeBytes) => {
      const limit = (value: string) => tools.run(['btrfs', 'qgroup', 'limit', value, path]);
      if (sizeBytes !== undefined) {
        // Counts for the whole file system, which is why nobody has it who did not ask for it.
        await tools.run(['btrfs', 'quota', 'enable', path]);
        await limit(String(sizeBytes));
        return;
      }
      await limit('none').catch((error: unknown) => {
        const isWithout = error instanceof ReasonedError && /quota not enabled/.test(error.message);
        if (!isWithout) throw error;
      });
    },
    stream: subvolumeStream(tools),
    keeper: createSubvolumeKeeper,
  };
}
