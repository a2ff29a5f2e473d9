/** Replacements in a simulated pool: what a volume is to be stands beside it in the state file, and takes its place in one write. */
import type { VolumeFacts, VolumeReplacements, VolumeRequest } from '../contract.ts';
import type { KeyedLock } from '../locks.ts';
import { checkedName } from '../names.ts';
import { checkArchivedKind, diskSize, replacementMissing, volumeMissing } from '../refusals.ts';
import type { PoolState } from './state.ts';

export type SimulatedReplacementsOptions = {
  state: PoolState;
  lock: KeyedLock;
  /** Changes the state after the latency of the pool, if it is permitted then. */
  change(apply: () => void, signal?: AbortSignal, permitted?: () => Promise<unknown>): Promise<void>;
  /** Throws ReasonedError PoolFull. */
  checkSpace(bytes: number): void;
};

/** The replacements of one simulated pool's volumes. */
export function createSimulatedReplacements({
  state,
  lock,
  change,
  checkSpace,
}: SimulatedReplacementsOptions): VolumeReplacements {
  const keyOf = (id: string, name: string) => `${checkedName(id)}/${checkedName(name)}`;
  return {
    prepare: async ({ id, name, open, follow }, signal) =>
      lock(keyOf(id, name), async () => {
        if (state.prepared.has(keyOf(id, name))) return;
        const volume = state.volumes.get(id);
        if (volume === undefined) throw volumeMissing(id);
        const { format, sizeBytes, ...rest } = volume;
        const size = volume.kind === 'Disk' ? { sizeBytes } : {};
        const archived = await open(signal);
        const made = planRestored(
          { ...rest, ...size, format: format === 'directory' ? 'raw' : format },
          archived,
        );
        checkSpace(made.usedBytes);
        follow?.({ doneBytes: 1, totalBytes: 2 });
        await change(() => {
          if (!state.volumes.has(id)) throw volumeMissing(id);
          state.prepared.set(keyOf(id, name), made);
        }, signal);
      }),
    swap: async (ids, name, permitted) => {
      const made = ids.map((id) => ({ id, volume: state.prepared.get(keyOf(id, name)) }));
      for (const { id, volume } of made)
        if (volume === undefined && state.replacedBy.get(id) !== name) throw replacementMissing(id, name);
      const apply = () => {
        for (const { id, volume } of made) {
          if (volume !== undefined) state.volumes.set(id, volume);
          state.prepared.delete(keyOf(id, name));
          state.replacedBy.set(id, name);
        }
      };
      await change(apply, undefined, permitted);
    },
    discard: async (id, name) => {
      if (state.prepared.has(keyOf(id, name))) await change(() => state.prepared.delete(keyOf(id, name)));
    },
  };
}

/** What a volume from an archive is. */
export function planRestored(
  { id, owner, kind, format, sizeBytes }: VolumeRequest,
  { part }: NonNullable<VolumeRequest['archived']>,
): VolumeFacts {
  checkArchivedKind(part, kind);
  return kind === 'Disk'
    ? { id, owner, kind, format, sizeBytes: diskSize(id, sizeBytes, part.sizeBytes), usedBytes: 0 }
    : { id, owner, kind, format: 'directory', sizeBytes: 0, usedBytes: 0 };
}
