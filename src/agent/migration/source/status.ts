/** The status of a Migration as its source says it. Pure. */
import type { Migration, MigrationPhase, MigrationStatus } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import { timeOf } from '../../../base/clock.ts';
import { done, stalled, waiting } from '../../../base/outcome.ts';
import { readiness } from '../../../runtime/conditions.ts';
import type { SourceStage } from './decide.ts';

/** Paths the source writes; hosts and assignment are the manager's, `status.target` is the target's. */
export const SOURCE_STATUS_PATHS: readonly string[] = [
  'status.observedGeneration',
  'status.conditions',
  'status.phase',
  'status.mode',
  'status.source',
  'status.progress',
  'status.startedAt',
  'status.completedAt',
  'status.totalMilliseconds',
  'status.downtimeMilliseconds',
  'status.message',
];

export type SourceSays = {
  stage?: SourceStage;
  message: string;
  source?: NonNullable<MigrationStatus['source']>;
  progress?: NonNullable<MigrationStatus['progress']>;
  mode?: NonNullable<MigrationStatus['mode']>;
  end?: { phase: MigrationPhase; reason: string };
  /** Wall clock, milliseconds. */
  since?: number;
  measured?: { totalMs: number; downtimeMs: number | undefined };
};

export function sourceStatus(
  { status = {}, metadata }: Stored<Migration>,
  { stage, message, source, progress, mode, end, since, measured }: SourceSays,
  now: number,
): MigrationStatus {
  const phase = end?.phase ?? stage ?? status.phase ?? 'Preparing';
  const reason = end?.reason ?? phase;
  const outcome =
    end === undefined
      ? waiting(reason, message)
      : end.phase === 'Succeeded'
        ? done
        : stalled(reason, message);
  const ready = { status: 'True', reason: 'Succeeded', message } as const;
  const { generation } = metadata;
  return {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    message: message.slice(0, 1_024),
    conditions: readiness(status.conditions ?? [], outcome, ready, { now, generation }),
    ...(source === undefined ? {} : { source }),
    ...(progress === undefined ? {} : { progress }),
    ...(mode === undefined ? {} : { mode }),
    ...(since === undefined ? {} : { startedAt: status.startedAt ?? timeOf(since) }),
    ...(end === undefined ? {} : { completedAt: timeOf(now) }),
    ...(measured === undefined ? {} : { totalMilliseconds: Math.max(0, Math.round(measured.totalMs)) }),
    ...(measured?.downtimeMs === undefined
      ? {}
      : { downtimeMilliseconds: Math.max(0, Math.round(measured.downtimeMs)) }),
  };
}
