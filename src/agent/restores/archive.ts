/** Looks at the archive that a Restore is to take disks from, and at the guest that is to get them. */
import { Backup } from '../../api/kinds/backup.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Restore } from '../../api/kinds/restore.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { isAllowedNamespace } from '../allowlist.ts';
import { archiveHere, holderOf, liesElsewhere } from '../archives/bring.ts';
import { read } from '../guests/read.ts';
import type { Objection } from '../jobs/begin.ts';
import type { GuestRecord } from '../record.ts';
import { volumesOf } from '../snapshots/volumes.ts';
import { guestOf, type SnapshotWorld } from '../snapshots/world.ts';
import { type ArchiveFacts, judgeArchive } from './judge.ts';

/** The disks that are to be restored, or what stands against it. `record`: of the guest. */
export async function lookAtArchive(
  world: SnapshotWorld,
  restore: Stored<Restore>,
  record: GuestRecord,
  signal: AbortSignal,
): Promise<{ disks: readonly string[] } | Objection> {
  const { client, pools, poolInformer, host } = world.guests;
  const { namespace = 'default' } = restore.metadata;
  const backup = await client.find(Backup, { namespace, name: restore.spec.backup }, read(signal));
  try {
    const pool = backup && pools.get(backup.spec.pool);
    const isOpen = pool?.type === 'Open';
    const found = backup && isOpen ? await archiveHere(world.guests, backup) : undefined;
    const manifest = await found?.archives.read(found.name);
    const { allowedNamespaces } = (backup && poolInformer.get(backup.spec.pool)?.spec) ?? {};
    const isElsewhere = backup !== undefined && liesElsewhere(world.guests, backup);
    return judgeArchive({
      spec: restore.spec,
      host,
      backup: backup && {
        phase: backup.status?.phase,
        host: backup.status?.host,
        pool: backup.spec.pool,
        isOfGuest: guestOf(backup).text === guestOf(restore).text,
      },
      pool: !isAllowedNamespace(allowedNamespaces, namespace)
        ? 'NotAllowed'
        : isOpen
          ? 'Open'
          : pool?.type === 'Elsewhere'
            ? 'Elsewhere'
            : 'NotReady',
      parts: manifest?.parts.map(({ name }) => name),
      other: isElsewhere && manifest === undefined ? await otherHolder(world, backup, signal) : undefined,
      volumes: await volumeFacts(world, record),
    });
  } catch (error) {
    if (!(error instanceof ReasonedError)) throw error;
    return { reason: error.reason, message: error.message, final: error.stalled };
  }
}

async function otherHolder(
  { guests }: SnapshotWorld,
  { spec, status }: Backup,
  signal: AbortSignal,
): Promise<ArchiveFacts['other']> {
  const holder = await guests.client.find(Host, { name: status?.host ?? '' }, read(signal));
  const parts = status?.parts?.map(({ name }) => name) ?? [];
  return { holder: holderOf(holder, spec.pool), parts };
}

async function volumeFacts(world: SnapshotWorld, record: GuestRecord): Promise<ArchiveFacts['volumes']> {
  const kept = new Set(record.snapshots?.flatMap(({ volumes }) => volumes.map(({ id }) => id)) ?? []);
  const volumes = await volumesOf(world, record.volumes);
  return volumes.map(({ name, id, kept: where }) => ({
    name,
    snapshots: where === 'Inside' && kept.has(id),
  }));
}
