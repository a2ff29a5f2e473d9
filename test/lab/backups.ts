/** Backups of machines of a lab into the pool that its hosts share, and what their archives hold. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../e2e/harness/commands.ts';
import { follow } from '../e2e/harness/recipe.ts';
import type { Guest } from './guests.ts';
import type { Lab } from './lab.ts';
import { verifyDisk, type Writing } from './writer.ts';

export type BackupStatus = {
  phase?: string;
  message?: string;
  archive?: string;
  parts?: { bitmap?: string }[];
};

/** Of what changed since the last one where that is known. */
export async function backUp(lab: Lab, guest: Guest, name: string): Promise<BackupStatus> {
  await lab.apply(`
apiVersion: vireo.dev/v1alpha1
kind: Backup
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: VirtualMachine, name: ${guest.name.slice('vm/'.length)}}, pool: shared, fullEvery: 4}
`);
  return until(`${name} is made`, async () => {
    const { status } = await lab.get<{ status?: BackupStatus }>('bak', name);
    if (status?.phase === 'Failed') throw new Error(status.message);
    return status?.phase === 'Succeeded' && status;
  });
}

/** What is said of the marks of each disk. */
export const bitmaps = ({ parts = [] }: BackupStatus) => parts.map(({ bitmap }) => bitmap);

/** The last record on the second disk as its archive in `pool`, and those it needs, have it; every record before is there too. */
export async function lastIn(pool: string, { archive = '' }: BackupStatus): Promise<Writing> {
  const target = join(pool, `${archive}.raw`);
  await follow('files disk', { ARCHIVE: join(pool, 'archives', archive), DISK: 'data', TARGET: target });
  return verifyDisk(target).finally(() => rm(target));
}
