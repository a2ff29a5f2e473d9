/** Volumes of a Btrfs pool as streams of btrfs-send(8): a subvolume with all that is in it, its holes, shared blocks and attributes. */
import type { GroundStream } from '../ground.ts';
import type { Tools } from '../tools.ts';

/** The inode number of every subvolume's root (BTRFS_FIRST_FREE_OBJECTID). */
export const subvolumeInode = '256';

export function subvolumeStream(tools: Tools): GroundStream {
  return {
    name: 'BtrfsSend',
    // A subvolume inside another one, as a container may make, is no part of what is sent.
    holdsAll: async (path) => {
      const inside = ['-mindepth', '1', '-type', 'd', '-inum', subvolumeInode, '-print', '-quit'];
      return (await tools.run(['find', path, ...inside])).stdout === '';
    },
    freeze: async (path, view) => {
      await tools.run(['btrfs', 'subvolume', 'snapshot', '-r', path, view]);
    },
    send: (view) => ['btrfs', 'send', '-q', view],
    // Shut into the place: a stream may hold links to anywhere, and writes through them.
    receive: (directory) => ['btrfs', 'receive', '-q', '--chroot', directory],
    // What was received stays as it is for good (btrfs-subvolume(8), "received UUID"); a snapshot of it can be written to.
    take: async (received, path) => {
      await tools.run(['btrfs', 'subvolume', 'snapshot', received, path]);
    },
  };
}
