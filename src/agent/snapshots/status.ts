/** The status of a Snapshot that lies on this host. Pure. */
import type { Snapshot, SnapshotStatus } from '../../api/kinds/snapshot.ts';
import type { Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import type { Outcome } from '../../base/outcome.ts';
import { formatBytes } from '../../base/quantity.ts';
import { readiness } from '../../runtime/conditions.ts';
import { jobConditions, jobEnd } from '../jobs/status.ts';
import type { RecordedSnapshot } from '../record.ts';
import type { SnapshotDecision } from './decide.ts';

/** Paths an agent writes; `status.host` is the manager's. */
export const SNAPSHOT_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.takenAt',
  'status.consistency',
  'status.stillMilliseconds',
  'status.memory',
  'status.parent',
  'status.volumes',
  'status.message',
];

const READY = jobEnd('Ready', 'Ready', 'the guest can be rolled back to it');

type Said = Extract<SnapshotDecision, { type: 'say' | 'wait' | 'end' }> | { type: 'follow'; message: string };

/** `parent`: name of the Snapshot it came from. */
export function snapshotStatus(
  { status = {}, metadata }: Stored<Snapshot>,
  said: Said,
  { now, parent }: { now: number; parent?: string | undefined },
): SnapshotStatus {
  const { generation } = metadata;
  const step = said.type === 'say' ? READY : said;
  const { parent: _, memory, ...before } = status;
  // Of one that stands the record says whether it has any.
  const kept = said.type === 'say' || memory === undefined ? {} : { memory };
  return {
    ...before,
    ...kept,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: jobConditions(status.conditions, step.type === 'follow' ? { ...step, afterMs: 0 } : step, {
      now,
      generation,
    }),
    message: step.message.slice(0, 1_024),
    phase: step.type === 'wait' ? 'Pending' : step.type === 'follow' ? 'Taking' : step.phase,
    ...(said.type === 'say' ? takenFields(said.taken) : {}),
    ...(parent === undefined ? {} : { parent }),
  };
}

/** Of one that is deleted and cannot go yet: it stays what it is. */
export function goingStatus(
  { status = {}, metadata: { generation } }: Stored<Snapshot>,
  outcome: Exclude<Outcome, { type: 'done' }>,
  now: number,
): SnapshotStatus {
  const conditions = readiness(status.conditions ?? [], outcome, GOING, { now, generation });
  return { ...status, conditions, message: outcome.message.slice(0, 1_024) };
}

/** Only for what is gone by then. */
const GOING = { status: 'False', reason: 'Deleted', message: '' } as const;

function takenFields({
  takenAt,
  consistency,
  stillMs,
  memoryBytes,
  volumes,
}: RecordedSnapshot): SnapshotStatus {
  return {
    takenAt: timeOf(takenAt),
    consistency,
    stillMilliseconds: stillMs,
    ...(memoryBytes === undefined ? {} : { memory: formatBytes(memoryBytes) }),
    volumes: volumes.map(({ name, pool, sizeBytes }) => ({
      name,
      pool,
      ...(sizeBytes > 0 ? { size: formatBytes(sizeBytes) } : {}),
    })),
  };
}
