/** Archives of a simulated pool: what they would hold is written down in a manifest, their parts are sums of their own names. */
import { createHash } from 'node:crypto';
import { type Clock, timestamp } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import type { ArchivePart, Archives } from '../contract.ts';
import { archiveMissing, formatManifest, manifestName, parseManifest, partNamed } from '../manifest.ts';
import { checkedName } from '../names.ts';

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
  const place = (name: string) => `${path}/archives/${checkedName(name)}`;
  const add = (name: string, part: Pick<ArchivePart, 'name' | 'kind' | 'format' | 'sizeBytes'>) => {
    checkSpace();
    const file = `${part.name}.${part.format}`;
    const sha256 = createHash('sha256').update(`${name}/${file}`).digest('hex');
    const others = (filled.get(name) ?? []).filter((known) => known.name !== part.name);
    filled.set(name, [...others, { ...part, file, storedBytes: 0, sha256 }]);
    return `${place(name)}/${file}`;
  };
  const read: Archives['read'] = async (name) => {
    const text = await files.readText(`${place(name)}/${manifestName}`);
    return text === undefined ? undefined : parseManifest(name, text);
  };
  return {
    begin: async (name) => {
      checkPresent();
      filled.set(checkedName(name), []);
    },
    target: async (name, { name: disk, sizeBytes }) =>
      add(name, { name: disk, kind: 'Disk', format: 'qcow2', sizeBytes }),
    pack: async (_name, _tree, _compression, signal) => {
      await clock.sleep(latencyMs, signal);
      return true;
    },
    packRest: async (_name, _tree, _compression, signal) => {
      await clock.sleep(latencyMs, signal);
      return true;
    },
    gather: (_name, _tree, signal) => clock.sleep(latencyMs, signal),
    save: async (name, { name: volume, attachment }, _compression, signal) => {
      await clock.sleep(latencyMs, signal);
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
      const manifest = { version: 1 as const, ...about, finishedAt: timestamp(clock), parts };
      await files.makeDirectory(place(name));
      await files.writeAtomic(`${place(name)}/${manifestName}`, formatManifest(manifest));
      filled.delete(name);
      return manifest;
    },
    list: () => files.list(`${path}/archives`),
    read,
    open: async (name, volume, signal) => {
      await clock.sleep(latencyMs, signal);
      const manifest = await read(name);
      if (manifest === undefined) throw archiveMissing(name);
      const part = partNamed(name, manifest, volume);
      return { path: `${place(name)}/${part.file}`, part, check: async () => {} };
    },
    verify: async (name) => {
      const manifest = await read(name);
      if (manifest === undefined) throw archiveMissing(name);
      return manifest;
    },
    remove: async (name) => {
      checkPresent();
      filled.delete(name);
      await files.removeTree(place(name));
    },
  };
}
