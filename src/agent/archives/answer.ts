/**
 * Gives another host what a volume is made of that lies in an archive of this one: to the host alone where the guest is placed that is to have the
 * volume, by the epoch it has there, and only for a Restore that is under way there or a guest that says it is made from the Backup.
 */
import type { Duplex } from 'node:stream';
import { Backup } from '../../api/kinds/backup.ts';
import { Restore } from '../../api/kinds/restore.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { isAllowedNamespace } from '../allowlist.ts';
import { archiveOf } from '../backups/world.ts';
import { read } from '../guests/read.ts';
import { writeLine } from '../peers/peers.ts';
import type { SnapshotWorld } from '../snapshots/world.ts';
import type { ArchiveQuestion } from './question.ts';

type Asked = ArchiveQuestion['archive'];

/** Throws ReasonedError. All is read from the API anew: what the asker says only names it. */
export async function answerArchive(
  world: Pick<SnapshotWorld, 'guests' | 'hands'>,
  peer: string,
  { archive: asked }: ArchiveQuestion,
  stream: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const { client, pools } = world.guests;
  await checkGuest(world, peer, asked, signal);
  const { namespace, name, uid } = asked.backup;
  const backup = await client.find(Backup, { namespace, name }, read(signal));
  if (backup?.metadata.uid !== uid || backup.status?.phase !== 'Succeeded')
    throw new ReasonedError('BackupNotFound', `the Backup ${name} has gone`, { stalled: true });
  const pool = pools.get(backup.spec.pool);
  if (pool?.type === 'Open' && !isAllowedNamespace(pool.allowedNamespaces, namespace))
    throw notForIt(`the StoragePool ${backup.spec.pool} is not for the namespace ${namespace}`);
  const { archives, name: archive } = await archiveOf(pools, backup);
  writeLine(stream, { ok: true });
  const limit = asked.bytesPerSecond === undefined ? {} : { bytesPerSecond: asked.bytesPerSecond };
  await archives.send(archive, asked.volume, stream, { signal, ...limit });
  stream.end();
}

async function checkGuest(
  { guests, hands }: Pick<SnapshotWorld, 'guests' | 'hands'>,
  peer: string,
  { guest, epoch, backup, restore, volume }: Asked,
  signal: AbortSignal,
): Promise<void> {
  const { kind, namespace, name } = guest;
  if (namespace !== backup.namespace) throw notForIt('the Backup is of another namespace');
  const { plans, read: readGuest } = hands(kind === 'Container' ? 'Container' : 'VirtualMachine');
  const found = await readGuest({ namespace, name }, signal);
  const placement = found?.status?.placement;
  if (found?.metadata.uid !== guest.uid || placement?.host !== peer || placement.epoch !== epoch)
    throw notForIt(`${kind} ${name} is not placed on ${peer} with the epoch ${epoch}`);
  if (restore === undefined) {
    const isMade = plans(found).some(
      ({ restore: from }) => from?.backup === backup.name && from.disk === volume,
    );
    if (!isMade) throw notForIt(`${kind} ${name} is not made from the Backup ${backup.name}`);
    return;
  }
  const job = await guests.client.find(Restore, { namespace, name: restore.name }, read(signal));
  const isIts =
    job?.metadata.uid === restore.uid &&
    job.status?.host === peer &&
    job.status.completedAt === undefined &&
    job.spec.backup === backup.name &&
    job.spec.guest.kind === kind &&
    job.spec.guest.name === name;
  if (!isIts) throw notForIt(`no Restore ${restore.name} of ${kind} ${name} is under way on ${peer}`);
}

function notForIt(why: string): ReasonedError {
  return new ReasonedError('NotRestoring', `the archive is not for the host that asks: ${why}`);
}
