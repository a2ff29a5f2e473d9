/** The status of a Migration as the cluster writes it: before its hosts are at work, and where they cannot speak. Pure. */
import type { Migration, MigrationPhase, MigrationStatus } from '../../api/kinds/migration.ts';
import type { Stored } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import { done, type Outcome, stalled, waiting } from '../../base/outcome.ts';
import { conditionsFor } from '../readiness.ts';
import type { MigrationDecision } from './decide.ts';

/** The whole status for a decision that says something; undefined: it stays as it is. */
export function migrationStatus(
  migration: Stored<Migration>,
  decision: MigrationDecision,
  now: number,
): MigrationStatus | undefined {
  const at = timeOf(now);
  switch (decision.type) {
    case 'wait': {
      const { reason, message } = decision;
      return withOutcome(migration, waiting(reason, message), now, { phase: 'Pending', message });
    }
    case 'assign': {
      const { moves, guestUID, source, target, epoch, with: others } = decision;
      const along = others.length === 0 ? '' : `, and with it ${others.join(', ')}`;
      const message = `moves from ${source} to ${target}${along}`;
      return withOutcome(migration, waiting('Assigned', message), now, {
        phase: 'Pending',
        type: moves,
        sourceHost: source,
        targetHost: target,
        guestUID,
        epoch,
        assignedAt: at,
        message,
      });
    }
    case 'cancel': {
      const { reason, message } = decision;
      return { ...migration.status, cancel: { reason, message } };
    }
    case 'end': {
      const { phase, message } = decision;
      return withOutcome(migration, outcomeOf(decision), now, { phase, message, completedAt: at });
    }
    default:
      return undefined;
  }
}

/** Succeeded and Skipped are as wanted; a job that failed only the user can mend, by making another. */
function outcomeOf({
  phase,
  reason,
  message,
}: {
  phase: MigrationPhase;
  reason: string;
  message: string;
}): Outcome {
  return phase === 'Succeeded' || phase === 'Skipped' ? done : stalled(reason, message);
}

function withOutcome(
  migration: Stored<Migration>,
  outcome: Outcome,
  now: number,
  fields: MigrationStatus,
): MigrationStatus {
  const { generation } = migration.metadata;
  return {
    ...migration.status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...fields,
    ...(fields.message === undefined ? {} : { message: fields.message.slice(0, 1_024) }),
    conditions: conditionsFor(migration, outcome, now),
  };
}
