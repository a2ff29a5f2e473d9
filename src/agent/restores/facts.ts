/** Gathers what is decided about a Restore from: the guest, its record, and the archive while the restore has not begun. */
import { Backup } from '../../api/kinds/backup.ts';
import type { Restore } from '../../api/kinds/restore.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Pass } from '../../runtime/contract.ts';
import { isAllowedNamespace } from '../allowlist.ts';
import { archiveOf } from '../backups/world.ts';
import { handleOf } from '../guests/gather.ts';
import { lockFor } from '../guests/locks.ts';
import { read } from '../guests/read.ts';
import type { GuestRecord } from '../record.ts';
import { volumesOf } from '../snapshots/volumes.ts';
import { guestOf, type SnapshotWorld, whereGuestIs } from '../snapshots/world.ts';
import type { RestoreFacts } from './decide.ts';
import { type ArchiveFacts, judgeArchive, type Objection } from './judge.ts';

/** `record`: of the guest. */
export async function factsOf(
  world: SnapshotWorld,
  { object: restore, now, signal }: Pass<Restore>,
  record: GuestRecord | undefined,
): Promise<RestoreFacts> {
  const { uid } = restore.metadata;
  const guest = whereGuestIs(world, record);
  const lock = record === undefined ? 'Free' : lockFor(record, uid);
  const isNew = lock !== 'Own' && record?.restored !== uid && restore.status?.completedAt === undefined;
  return {
    restore,
    now,
    guest,
    record: record && {
      lock,
      own: lock === 'Own' ? record.lock : undefined,
      finished: record.restored === uid,
      isOn: record.run.live !== undefined,
    },
    observation:
      record === undefined || guest === 'Away'
        ? undefined
        : (await world.hands(record.kind).observe(handleOf(world.guests.stateDirectory, record))).state,
    archive:
      isNew && record !== undefined && guest === 'Here'
        ? await lookAtArchive(world, restore, record, signal)
        : undefined,
  };
}

async function lookAtArchive(
  world: SnapshotWorld,
  restore: Stored<Restore>,
  record: GuestRecord,
  signal: AbortSignal,
): Promise<{ disks: readonly string[] } | Objection> {
  const { client, pools, host } = world.guests;
  const { namespace = 'default' } = restore.metadata;
  const backup = await client.find(Backup, { namespace, name: restore.spec.backup }, read(signal));
  try {
    const pool = backup && pools.get(backup.spec.pool);
    const isOpen = pool?.type === 'Open';
    const found = backup && isOpen ? await archiveOf(pools, backup) : undefined;
    const manifest = await found?.archives.read(found.name);
    const isAllowed = isOpen && isAllowedNamespace(pool.allowedNamespaces, namespace);
    return judgeArchive({
      spec: restore.spec,
      host,
      backup: backup && {
        phase: backup.status?.phase,
        host: backup.status?.host,
        pool: backup.spec.pool,
        isOfGuest: guestOf(backup).text === guestOf(restore).text,
      },
      pool: isOpen
        ? isAllowed
          ? 'Open'
          : 'NotAllowed'
        : pool?.type === 'Elsewhere'
          ? 'Elsewhere'
          : 'NotReady',
      parts: manifest?.parts.map(({ name }) => name),
      volumes: await volumeFacts(world, record),
    });
  } catch (error) {
    if (!(error instanceof ReasonedError)) throw error;
    return { reason: error.reason, message: error.message, final: error.stalled };
  }
}

async function volumeFacts(world: SnapshotWorld, record: GuestRecord): Promise<ArchiveFacts['volumes']> {
  const kept = new Set(record.snapshots?.flatMap(({ volumes }) => volumes.map(({ id }) => id)) ?? []);
  const volumes = await volumesOf(world, record.volumes);
  return volumes.map(({ name, id, kept: where }) => ({
    name,
    snapshots: where === 'Inside' && kept.has(id),
  }));
}
