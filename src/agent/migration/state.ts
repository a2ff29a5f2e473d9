/** What of a guest goes from its source to its target beside memory and volumes: everything the target would otherwise plan anew. */
import type { MigrationSpec } from '../../api/kinds/migration.ts';
import type { VolumeKind } from '../../drivers/storage/contract.ts';
import type { GuestRecord, RecordedNic, RecordedVolume, RunState } from '../record.ts';

/** A volume as the source has it. */
export type MovedVolume = RecordedVolume & {
  kind: VolumeKind;
  format: 'raw' | 'qcow2';
  sizeBytes: number;
};

export type GuestState = {
  version: 1;
  /** As recorded: only the driver's kind reads it. */
  hardware: unknown;
  /** What really runs, for a live move. */
  running?: unknown;
  run: RunState;
  volumes: readonly MovedVolume[];
  nics: readonly RecordedNic[];
  /** Files of the guest's directory that move with it, relative to it, in base64. */
  files: readonly { path: string; data: string }[];
};

/** What was asked of the guest goes with it; what happened to it on the source does not. `wasOn`: it is to run there, whatever asked for it. */
export function runToCarry(
  { request, operation, restartedFor, restartedForChanges, restart }: RunState,
  wasOn: boolean,
): RunState {
  return {
    ...(request === undefined ? {} : { request }),
    ...(operation === undefined ? {} : { operation }),
    ...(restartedFor === undefined ? {} : { restartedFor }),
    ...(restartedForChanges === undefined ? {} : { restartedForChanges }),
    ...(restart === true || wasOn ? { restart: true } : {}),
  };
}

/** The record of a guest that comes here, once its source has described it. */
export function describedRecord(
  before: GuestRecord,
  state: Omit<GuestState, 'volumes'> & { volumes: readonly ArrivingVolume[] },
  idBase: number | undefined,
): GuestRecord {
  const { incoming } = before;
  if (incoming === undefined) throw new Error(`the record of ${before.id} has lost its move`);
  return {
    ...before,
    ...(state.hardware === undefined || before.kind === 'Container' ? {} : { hardware: state.hardware }),
    ...(idBase === undefined ? {} : { idBase }),
    volumes: state.volumes.map(({ name, pool, id, reclaim }) => ({ name, pool, id, reclaim })),
    nics: state.nics,
    run: state.run,
    incoming: { ...incoming, described: true },
  };
}

/** A volume on its way, with the pool it lay in when that is another one. */
export type ArrivingVolume = MovedVolume & { from?: string };

/** The volumes as they will lie on the target. */
export function arriving(
  volumes: readonly MovedVolume[],
  storage: MigrationSpec['storage'],
): readonly ArrivingVolume[] {
  return volumes.map((volume) => {
    const target = storage?.find(({ pool }) => pool === volume.pool)?.target ?? volume.pool;
    return target === volume.pool ? volume : { ...volume, pool: target, from: volume.pool };
  });
}

/** Checks what the source sent: throws when it is not a state of this version or names a file outside the guest's directory. */
export function checkState(state: Partial<GuestState> | undefined): GuestState {
  const isWhole =
    state?.version === 1 &&
    typeof state.run === 'object' &&
    Array.isArray(state.volumes) &&
    Array.isArray(state.nics) &&
    Array.isArray(state.files);
  if (!isWhole) throw new Error('the source speaks another version of this protocol: upgrade the older host');
  const whole = state as GuestState;
  const strange = whole.files.find(({ path }) => !/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(path));
  if (strange !== undefined)
    throw new Error(`the source sent a file of the name ${JSON.stringify(strange.path)}`);
  return whole;
}
