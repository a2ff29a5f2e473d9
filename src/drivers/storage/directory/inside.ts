/**
 * Snapshots inside a qcow2 file, by qemu-img (qemu-img(1), "snapshot"): for disks that no guest has open. Names never look like the numbers
 * that qcow2 gives its snapshots, so a name is a name.
 */
import { diskSize, snapshotMissing } from '../refusals.ts';
import { forgetChanges, growDisk, virtualSize } from './disks.ts';
import type { SnapshotKeeper } from './ground.ts';
import { diskName } from './layout.ts';
import { readVolumeRecord, volumeRecordName, writeRecord } from './records.ts';
import type { PoolRoom } from './room.ts';
import type { Tools } from './tools.ts';

/** The keeper of a pool whose file system has no snapshots of its own. */
export function createInsideKeeper(room: PoolRoom): SnapshotKeeper {
  const { tools, layout } = room;
  const { files } = room.world;
  const diskOf = (id: string) => `${layout.volume(id)}/${diskName('qcow2')}`;
  const change = async (id: string, option: '-c' | '-a' | '-d', name: string): Promise<void> => {
    await tools.run(['qemu-img', 'snapshot', '-q', option, name, diskOf(id)]);
    await files.sync(diskOf(id));
  };
  return {
    list: ({ id }) => insideNames(tools, diskOf(id)),
    take: ({ id }, name) => change(id, '-c', name),
    rollBack: async (id, name) => {
      const volume = await readVolumeRecord(files, layout.volume(id));
      if (volume === undefined || !(await insideNames(tools, diskOf(id))).includes(name))
        throw snapshotMissing(id, name);
      // They do not see that the disk becomes another, and qemu-img refuses it while they are there.
      await forgetChanges(tools, diskOf(id));
      await change(id, '-a', name);
      const { growing: _, ...rest } = volume;
      const sizeBytes = await virtualSize(tools, files, { path: diskOf(id), format: 'qcow2' });
      await writeRecord(files, `${layout.volume(id)}/${volumeRecordName}`, { ...rest, sizeBytes });
    },
    remove: ({ id }, name) => change(id, '-d', name),
    forget: async () => {},
    clone: async ({ volume, snapshot }, { id, owner, format, sizeBytes: wanted }, { made, signal }) => {
      const path = `${made}/${diskName(format)}`;
      // -U: the guest of the disk may run; what a snapshot holds is not written again.
      await tools.run(
        [
          ...['qemu-img', 'convert', '-q', '-U', '-f', 'qcow2', '-l', `snapshot.name=${snapshot}`],
          ...['-O', format, diskOf(volume.id), path],
        ],
        { signal },
      );
      const size = await virtualSize(tools, files, { path, format });
      const sizeBytes = diskSize(id, wanted, size);
      if (sizeBytes > size) await growDisk(tools, { path, format, sizeBytes }, signal);
      return { id, owner, kind: 'Disk', format, sizeBytes, initialBytes: volume.initialBytes };
    },
  };
}

/** Names of the snapshots in a qcow2 file, read although the disk may be open in a guest. */
async function insideNames(tools: Tools, path: string): Promise<string[]> {
  const { stdout } = await tools.run(['qemu-img', 'info', '-U', '--output=json', '-f', 'qcow2', path]);
  const { snapshots } = JSON.parse(stdout) as { snapshots?: { name?: unknown }[] };
  return (snapshots ?? []).map(({ name }) => String(name)).sort();
}
