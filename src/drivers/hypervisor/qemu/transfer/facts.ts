/** How far QEMU says a transfer is: its migration, and the mirrors of disks. Changes nothing. */

import type { QmpConnection } from '../qmp.ts';
import { diskJobPrefix } from './disks.ts';

/** `status` is QEMU's own word (MigrationStatus); `none` before the first. `runState`: what it says of the guest just after. */
export type MigrationFacts = {
  status: string;
  runState: string;
  transferredBytes: number;
  remainingBytes: number;
  downtimeMs?: number;
  error?: string;
};

/** One mirror of a disk; `done`: it has ended, whole. */
export type MirrorFacts = {
  job: string;
  state: 'Copying' | 'Ready' | 'Done' | 'Failed';
  copiedBytes: number;
  leftBytes: number;
  error?: string;
};

type QueryMigrate = {
  status?: string;
  downtime?: number;
  'expected-downtime'?: number;
  'error-desc'?: string;
  ram?: { transferred: number; remaining: number };
};

/** What `query-migrate` says. */
export async function migrationFacts(monitor: QmpConnection): Promise<MigrationFacts> {
  // Answered in the order they are asked: the guest is looked at just after.
  const [migrate, guest] = await Promise.all([
    monitor.execute('query-migrate'),
    monitor.execute('query-status'),
  ]);
  const found = migrate as QueryMigrate;
  const { status: runState } = guest as { status: string };
  const downtimeMs = found.downtime ?? found['expected-downtime'];
  return {
    status: found.status ?? 'none',
    runState,
    transferredBytes: found.ram?.transferred ?? 0,
    remainingBytes: found.ram?.remaining ?? 0,
    ...(downtimeMs === undefined ? {} : { downtimeMs }),
    ...(found['error-desc'] === undefined ? {} : { error: found['error-desc'] }),
  };
}

type QueryJob = {
  id: string;
  status: string;
  'current-progress': number;
  'total-progress': number;
  error?: string;
};

/** What `query-jobs` says of the transfer's mirrors; those that have ended stay until they are dismissed. */
export async function mirrorFacts(monitor: QmpConnection): Promise<MirrorFacts[]> {
  const jobs = (await monitor.execute('query-jobs')) as QueryJob[];
  return jobs
    .filter(({ id }) => id.startsWith(diskJobPrefix))
    .map((job) => ({
      job: job.id,
      state: mirrorState(job),
      copiedBytes: job['current-progress'],
      leftBytes: Math.max(0, job['total-progress'] - job['current-progress']),
      ...(job.error === undefined ? {} : { error: job.error }),
    }));
}

function mirrorState({ status, error }: QueryJob): MirrorFacts['state'] {
  if (error !== undefined) return 'Failed';
  if (status === 'concluded') return 'Done';
  return status === 'ready' ? 'Ready' : 'Copying';
}
