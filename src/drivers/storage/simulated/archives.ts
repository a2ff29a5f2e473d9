/** Archives of a simulated pool: what they would hold is written down in a manifest, their parts are sums of their own names. */
import { createHash } from 'node:crypto';
import { type Clock, timestamp } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import type { ArchiveManifest, ArchivePart, Archives, Follower } from '../contract.ts';
import {
  archiveMissing,
  archiveNeeded,
  baseMissing,
  formatManifest,
  manifestName,
  needing,
  needsOf,
  parseManifest,
  partNamed,
  wholeBases,
} from '../manifest.ts';
import { checkedName } from '../names.ts';
import { receiveSimulatedArchive, sendSimulatedArchive } from './copying.ts';

export type SimulatedArchivesOptions = {
  world: { files: Files; clock: Clock };
  path: string;
  /** Time each part takes. */
  latencyMs: number;
  /** Throws ReasonedError PoolFull. */
  checkSpace(): void;
  /** Throws ReasonedError PoolMissing. */
  checkPresent(): void;
};

/** The archives of one simulated pool. */
export function createSimulatedArchives({
  world,
  path,
  latencyMs,
  checkSpace,
  checkPresent,
}: SimulatedArchivesOptions): Archives {
  const { files, clock } = world;
  const filled = new Map<string, ArchivePart[]>();
  /** What those that are being filled may need. */
  const awaited = new Map<string, readonly string[]>();
  const place = (name: string) => `${path}/archives/${checkedName(name)}`;
  const add = (name: string, part: Pick<ArchivePart, 'name' | 'kind' | 'format' | 'sizeBytes'>) => {
    checkSpace();
    const file = `${part.name}.${part.format}`;
    const sha256 = sumOf(name, part.name);
    const others = (filled.get(name) ?? []).filter((known) => known.name !== part.name);
    filled.set(name, [...others, { ...part, file, storedBytes: 0, sha256 }]);
    return `${place(name)}/${file}`;
  };
  const copy = async ({ follow }: { follow?: Follower | undefined }, signal: AbortSignal) => {
    await clock.sleep(latencyMs / 2, signal);
    follow?.({ doneBytes: 1, totalBytes: 2 });
    await clock.sleep(latencyMs / 2, signal);
  };
  const read: Archives['read'] = async (name) => {
    const text = await files.readText(`${place(name)}/${manifestName}`);
    return text === undefined ? undefined : parseManifest(name, text);
  };
  /** It and all that it needs. */
  const readChain = async (name: string): Promise<ArchiveManifest> => {
    const manifest = await read(name);
    if (manifest === undefined) throw archiveMissing(name);
    for (const base of manifest.needs ?? [])
      if ((await read(base)) === undefined) throw baseMissing(name, base);
    return manifest;
  };
  const list = () => files.list(`${path}/archives`);
  return {
    filling: {
      begin: async (name, { bases = [] } = {}) => {
        checkPresent();
        filled.set(checkedName(name), []);
        awaited.set(name, bases);
        return wholeBases(bases, read);
      },
      target: async (name, { name: disk, sizeBytes }) =>
        add(name, { name: disk, kind: 'Disk', format: 'qcow2', sizeBytes }),
      holds: (name, disk, what) => {
        const parts = filled.get(name) ?? [];
        const baseSha256 = what.base === undefined ? {} : { baseSha256: sumOf(what.base, disk) };
        filled.set(
          name,
          parts.map((part) => (part.name === disk ? { ...part, ...what, ...baseSha256 } : part)),
        );
      },
      pack: async (_name, tree, _compression, signal) => {
        await copy(tree, signal);
        return true;
      },
      packRest: async (_name, _tree, _compression, signal) => {
        await clock.sleep(latencyMs, signal);
        return true;
      },
      gather: (_name, _tree, signal) => clock.sleep(latencyMs, signal),
      save: async (name, { name: volume, attachment, follow }, _compression, signal) => {
        await copy({ follow }, signal);
        const isDisk = attachment.type === 'File';
        add(name, {
          name: volume,
          kind: isDisk ? 'Disk' : 'Filesystem',
          format: isDisk ? 'qcow2' : 'tar',
          sizeBytes: 0,
        });
      },
      finish: async (name, about, signal) => {
        await clock.sleep(latencyMs, signal);
        checkPresent();
        checkSpace();
        const parts = filled.get(name) ?? [];
        const bases = [...new Set(parts.flatMap(({ base }) => base ?? []))];
        const needed = await Promise.all(
          bases.map(async (base) => ({ name: base, manifest: await readChain(base) })),
        );
        const based = bases.length === 0 ? {} : { version: 2 as const, needs: needsOf(needed) };
        const manifest = { version: 1 as const, ...based, ...about, finishedAt: timestamp(clock), parts };
        await files.makeDirectory(place(name));
        await files.writeAtomic(`${place(name)}/${manifestName}`, formatManifest(manifest));
        filled.delete(name);
        awaited.delete(name);
        return manifest;
      },
    },
    list,
    read,
    open: async (name, volume, signal) => {
      await clock.sleep(latencyMs, signal);
      const manifest = await readChain(name);
      const part = partNamed(name, manifest, volume);
      return { path: `${place(name)}/${part.file}`, part, check: async () => {} };
    },
    send: (name, volume, stream, { signal }) =>
      sendSimulatedArchive(stream, signal, clock, async () => {
        partNamed(name, await readChain(name), volume);
        return (await files.readText(`${place(name)}/${manifestName}`)) ?? '';
      }),
    receive: async (name, volume, stream, { signal, follow }) => {
      const text = await receiveSimulatedArchive(stream, signal, clock, checkSpace);
      await copy({ follow }, signal);
      const part = partNamed(name, parseManifest(name, text), volume);
      return { path: `${path}/.partial/${name}/${part.file}`, part, check: async () => {} };
    },
    verify: async (name, signal) => {
      checkPresent();
      await clock.sleep(latencyMs, signal);
      return readChain(name);
    },
    remove: async (name) => {
      checkPresent();
      filled.delete(name);
      awaited.delete(name);
      const needs = async (other: string) =>
        [other, (await read(other).catch(() => undefined))?.needs ?? []] as const;
      const by = needing(name, [...(await Promise.all((await list()).map(needs))), ...awaited]);
      if (by.length > 0) throw archiveNeeded(name, by);
      await files.removeTree(place(name));
    },
  };
}

function sumOf(archive: string, volume: string): string {
  return createHash('sha256').update(`${archive}/${volume}`).digest('hex');
}
