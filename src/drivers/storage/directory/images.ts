/** The images of a directory pool: staged, checked, published by one rename, and removed only after the last copy from them is done. */
import type { FileStat } from '../../../base/files.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import { imageBroken, inspectDisk, inspectRootfsArchive } from '../../image/inspect.ts';
import type { ImageFacts, PoolImages } from '../contract.ts';
import { imageMissing } from '../refusals.ts';
import { diskName, rootfsName } from './layout.ts';
import { imageRecordName, readImageRecord, writeRecord } from './records.ts';
import { type PoolRoom, renameIfThere } from './room.ts';
import { measureTrees, unpackTree } from './trees.ts';

export type Images = PoolImages & {
  /** Runs `copy` with the image's facts and directory while the image is kept. Throws ReasonedError ImageMissing. */
  reading<T>(name: string, copy: (image: ImageFacts, directory: string) => Promise<T>): Promise<T>;
};

/** The images of one pool. */
export function createImages(room: PoolRoom): Images {
  const { files } = room.world;
  const readers = new Map<string, Set<Promise<unknown>>>();

  /** A reader works on by the renamed directory, so the tree may go only after it: `cp` would skip what is gone without a word. */
  const takeAway = async (name: string, keep?: Publication): Promise<void> => {
    const directory = room.layout.image(name);
    if ((await files.stat(directory)) === undefined) return;
    const away = room.partialPath(name);
    if (!(await renameIfThere(files, directory, away))) return;
    if (keep !== undefined && (await isMade(keep, away)) && (await putBack(away, directory))) return;
    await Promise.allSettled(readers.get(name) ?? []);
    await room.removeTree(away);
  };

  /** The same image from another host, when the pool is shared: made once, it is not taken from those who copy it. */
  const isMade = async ({ sourceHash }: Publication, directory: string): Promise<ImageFacts | undefined> => {
    if (!room.isShared) return undefined;
    const found = await readImageRecord(files, directory);
    return found?.sourceHash === sourceHash ? found : undefined;
  };
  const madeElsewhere = (image: Publication) => isMade(image, room.layout.image(image.name));

  /** What was taken for an older image came from another host a moment ago. False: there is yet another in its place. */
  const putBack = async (away: string, directory: string): Promise<boolean> => {
    try {
      await files.rename(away, directory);
      return true;
    } catch (error) {
      if ((await files.stat(directory)) === undefined) throw error;
      return false;
    }
  };

  const putInPlace = async (image: Publication, made: string): Promise<ImageFacts> => {
    const facts = await prepare(room, image, made);
    for (;;) {
      const other = await madeElsewhere(image);
      if (other !== undefined) return other;
      await takeAway(image.name, image);
      try {
        await files.rename(made, room.layout.image(image.name));
        return facts;
      } catch (error) {
        // Another host was faster: its image is looked at.
        if (!room.isShared || (await files.stat(room.layout.image(image.name))) === undefined) throw error;
      }
    }
  };

  /** Another host removes an image without waiting for copies here; it renames it first, so a copy made before that is whole. */
  const checkStillThere = async ({ name, checksum, sourceHash }: ImageFacts): Promise<void> => {
    const now = await readImageRecord(files, room.layout.image(name));
    if (now?.checksum !== checksum || now.sourceHash !== sourceHash) throw imageMissing(room.name, name);
  };

  return {
    list: async () => {
      const names = await files.list(room.layout.images);
      const records = await Promise.all(
        names.map((name) => readImageRecord(files, `${room.layout.images}/${name}`)),
      );
      return records.filter((record) => record !== undefined);
    },
    stage: async (name) => {
      await room.checkPresent();
      const directory = room.layout.stage(name);
      await room.removeTree(directory);
      await files.makeDirectory(directory, { mode: 0o700 });
      return directory;
    },
    publish: (image) =>
      room.lock(`image ${image.name}`, async () => {
        await room.checkPresent();
        const made = room.partialPath(image.name);
        try {
          const facts = (await madeElsewhere(image)) ?? (await putInPlace(image, made));
          await room.removeTree(room.layout.stage(image.name));
          return facts;
        } finally {
          await room.removeTree(made);
        }
      }),
    remove: (name) => room.lock(`image ${name}`, () => takeAway(name)),
    reading: async (name, copy) => {
      const directory = room.layout.image(name);
      const image = await readImageRecord(files, directory);
      if (image === undefined) throw imageMissing(room.name, name);
      const work = copy(image, directory);
      const set = readers.get(name) ?? new Set();
      readers.set(name, set.add(work));
      try {
        const result = await work;
        if (room.isShared) await checkStillThere(image);
        return result;
      } finally {
        set.delete(work);
      }
    },
  };
}

type Publication = Parameters<Images['publish']>[0];

/** Checks what was made and puts it with its record into `made`, flushed to disk. */
async function prepare(room: PoolRoom, image: Publication, made: string): Promise<ImageFacts> {
  const { files } = room.world;
  const stat = await stagedFile(room, image);
  await files.makeDirectory(made, { mode: 0o700 });
  const content =
    image.kind === 'Disk'
      ? await takeDisk(room, image.file, made)
      : await takeRootfs(room, image.file, stat.kind, made);
  const facts: ImageFacts = {
    name: image.name,
    kind: image.kind,
    ...content,
    sourceHash: image.sourceHash,
  };
  await writeRecord(files, `${made}/${imageRecordName}`, facts);
  await room.flush();
  return facts;
}

/** The file or directory itself, which must lie in the staging directory: a link or `..` could point at any file of the host. */
async function stagedFile(room: PoolRoom, image: Publication): Promise<FileStat> {
  const { files } = room.world;
  const stat = await files.stat(image.file);
  const real = await files.realPath(image.file);
  const stage = await files.realPath(room.layout.stage(image.name));
  if (stat === undefined || stage === undefined || real?.startsWith(`${stage}/`) !== true) {
    throw new ReasonedError('ImageMissing', `nothing was made for the image ${image.name}`);
  }
  if (stat.kind !== 'File' && stat.kind !== 'Directory')
    throw imageBroken('an image is a file or a directory');
  return stat;
}

type Content = Pick<ImageFacts, 'format' | 'virtualSizeBytes' | 'usedBytes' | 'checksum'>;

async function takeDisk(room: PoolRoom, file: string, made: string): Promise<Content> {
  const { format, virtualSizeBytes } = await inspectDisk(room.world, file);
  const path = `${made}/${diskName(format)}`;
  await room.world.files.rename(file, path);
  const stat = await room.world.files.stat(path);
  return { format, virtualSizeBytes, usedBytes: stat?.usedBytes ?? 0, checksum: await checksum(room, path) };
}

async function takeRootfs(room: PoolRoom, file: string, kind: string, made: string): Promise<Content> {
  let archive = file;
  if (kind === 'Directory') {
    archive = `${made}/packed.tar`;
    await room.tools.run([
      'tar',
      '--numeric-owner',
      '--xattrs',
      '--acls',
      '--sort=name',
      '-C',
      file,
      '-cf',
      archive,
      '.',
    ]);
  }
  await inspectRootfsArchive(room.world, archive);
  const root = `${made}/${rootfsName}`;
  await room.world.files.makeDirectory(root, { mode: 0o755 });
  await unpackTree(room.tools, archive, root);
  const sum = await checksum(room, archive);
  if (archive !== file) await room.world.files.remove(archive);
  const usedBytes = (await measureTrees(room.tools, [root])).get(root) ?? 0;
  return { format: 'directory', virtualSizeBytes: usedBytes, usedBytes, checksum: sum };
}

async function checksum(room: PoolRoom, path: string): Promise<string> {
  const result = await room.tools.run(['sha256sum', '--binary', '--', path]);
  return `sha256:${/^\\?([0-9a-f]{64})/.exec(result.stdout)?.[1] ?? ''}`;
}
