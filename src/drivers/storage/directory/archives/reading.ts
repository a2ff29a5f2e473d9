/** Reads whole archives: what they say of themselves, the files that a disk is made of through all archives it is based on, and whether these are as they were written. */
import { ReasonedError } from '../../../../base/outcome.ts';
import type { AgeKey, ArchivedVolume, ArchiveManifest, ArchivePart, Archives } from '../../contract.ts';
import {
  archiveBroken,
  archiveMissing,
  baseMissing,
  manifestName,
  parseManifest,
  partNamed,
} from '../../manifest.ts';
import { checkedName } from '../../names.ts';
import type { Capacity } from '../capacity.ts';
import type { PoolRoom } from '../room.ts';
import { checkReadable, sumOf } from './parts.ts';
import { unseal } from './seal.ts';

/** A part, and the archive it lies in. */
export type Link = { archive: string; manifest: ArchiveManifest; part: ArchivePart };

type Chain = readonly [Link, ...Link[]];

export type ArchiveReader = Pick<Archives, 'list' | 'read' | 'open' | 'verify'> & {
  /** The part of a volume, what it is based on, what that is based on, and so on: newest first. Throws as `open` does. */
  chain(name: string, volume: string): Promise<Chain>;
  /** What each archive needs that is there; damaged ones need nothing. */
  needs(): Promise<(readonly [name: string, needs: readonly string[]])[]>;
};

/** What a disk does not give may be there the next time: nobody may take its base for unneeded meanwhile. */
function unlessBroken(error: unknown): undefined {
  if (!(error instanceof ReasonedError)) throw error;
  return undefined;
}

/** Reads the archives in the directories NAME below `at`, encrypted ones with the key `ageKey`; those of the pool when `at` is absent. */
export function createArchiveReader(
  room: PoolRoom,
  capacity: Pick<Capacity, 'hold'>,
  { ageKey, at = room.layout.archives }: { ageKey?: AgeKey | undefined; at?: string },
): ArchiveReader {
  const { tools } = room;
  const { files } = room.world;
  const place = (name: string) => `${at}/${checkedName(name)}`;
  /** Manifests never change: each is read once for this. */
  const known = new Map<string, readonly string[]>();

  const read = async (name: string): Promise<ArchiveManifest | undefined> => {
    const text = await files.readText(`${place(name)}/${manifestName}`);
    if (text !== undefined) return parseManifest(name, text);
    if ((await files.stat(place(name))) === undefined) return undefined;
    throw archiveBroken(name, `${manifestName} is missing`);
  };
  const readWhole = async (name: string): Promise<ArchiveManifest> => {
    const manifest = await read(name);
    if (manifest === undefined) throw await unlessAway(archiveMissing(name));
    return manifest;
  };
  /** In a pool that has gone nothing is found, which says nothing of what it holds. Throws ReasonedError PoolMissing. */
  const unlessAway = async (why: ReasonedError): Promise<ReasonedError> => {
    await room.checkPresent();
    return why;
  };

  const chainOf = async (first: Link): Promise<Chain> => {
    const chain: [Link, ...Link[]] = [first];
    for (let link = first; link.part.base !== undefined; ) {
      const { base, baseSha256, name, sizeBytes } = link.part;
      const manifest = await read(base);
      if (manifest === undefined) throw await unlessAway(baseMissing(first.archive, base));
      const part = partNamed(base, manifest, name);
      if (part.sha256 !== baseSha256 || part.sizeBytes !== sizeBytes || part.kind !== 'Disk')
        throw archiveBroken(link.archive, `${base} is not what it was based on`);
      if (chain.some(({ archive }) => archive === base))
        throw archiveBroken(link.archive, `it is based on itself`);
      link = { archive: base, manifest, part };
      chain.push(link);
    }
    for (const link of chain) await checkSize(link);
    return chain;
  };

  const chain = async (name: string, volume: string): Promise<Chain> => {
    const manifest = await readWhole(name);
    return chainOf({ archive: name, manifest, part: partNamed(name, manifest, volume) });
  };

  const checkSize = async ({ archive, part: { file, storedBytes } }: Link): Promise<void> => {
    const stat = await files.stat(`${place(archive)}/${file}`);
    if (stat === undefined) throw await unlessAway(archiveBroken(archive, `the part ${file} is missing`));
    if (stat.kind !== 'File') throw archiveBroken(archive, `the part ${file} is not a file`);
    if (stat.sizeBytes !== storedBytes)
      throw archiveBroken(archive, `the part ${file} has ${stat.sizeBytes} bytes instead of ${storedBytes}`);
  };

  const checkSums = async (chain: readonly Link[], signal: AbortSignal): Promise<void> => {
    for (const { archive, part } of chain)
      if ((await sumOf(tools, `${place(archive)}/${part.file}`, signal)) !== part.sha256)
        throw archiveBroken(archive, `the sum of the part ${part.file} is another than when it was written`);
  };

  /** Where they can be read; what is encrypted is decrypted into hidden files, for which there is room, for as long as it is wanted. Throws ReasonedError PoolFull. */
  const plainOf = async (
    chain: readonly Link[],
    signal: AbortSignal,
  ): Promise<Pick<ArchivedVolume, 'path' | 'bases' | 'dispose'>> => {
    const opened: { path: string; release: () => void }[] = [];
    const dispose = async () => {
      for (const { path, release } of opened) {
        await files.remove(path);
        release();
      }
    };
    const openOne = async ({ archive, manifest: { encryption }, part }: Link): Promise<string> => {
      const path = `${place(archive)}/${part.file}`;
      if (encryption === undefined) return path;
      const to = room.partialPath(checkedName(archive));
      // All but a header and sixteen bytes for each 64 KiB is what it was.
      opened.push({ path: to, release: await capacity.hold({ bytes: part.storedBytes, place: to }) });
      await unseal(tools, { path, to, key: ageKey, recipient: encryption.recipient }, signal);
      return to;
    };
    try {
      const paths: string[] = [];
      for (const link of chain) paths.push(await openOne(link));
      const [path = '', ...bases] = paths;
      return { path, ...(bases.length === 0 ? {} : { bases }), ...(opened.length === 0 ? {} : { dispose }) };
    } catch (error) {
      await dispose();
      throw error;
    }
  };

  return {
    list: () => files.directories(at),
    read,
    chain,
    needs: async () => {
      const names = await files.directories(at);
      for (const gone of [...known.keys()].filter((name) => !names.includes(name))) known.delete(gone);
      return Promise.all(
        names.map(async (name) => {
          const manifest = known.has(name) ? undefined : await read(name).catch(unlessBroken);
          if (manifest !== undefined) known.set(name, manifest.needs ?? []);
          return [name, known.get(name) ?? []] as const;
        }),
      );
    },
    open: async (name, volume, signal) => {
      const links = await chain(name, volume);
      const [{ part }] = links;
      return { part, check: (until) => checkSums(links, until), ...(await plainOf(links, signal)) };
    },
    verify: async (name, signal) => {
      const manifest = await readWhole(name);
      for (const part of manifest.parts) {
        const chain = await chainOf({ archive: name, manifest, part });
        await checkSums(chain, signal);
        const { path, bases, dispose } = await plainOf(chain, signal);
        try {
          await checkReadable(tools, { name, paths: [path, ...(bases ?? [])] }, part, signal);
        } finally {
          await dispose?.();
        }
      }
      return manifest;
    },
  };
}
