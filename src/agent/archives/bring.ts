/**
 * Brings what a volume is made of here from the host whose pool has the archive. It comes into the pool of the volume, hidden, and goes when the volume
 * was made: it never becomes an archive of this host.
 */
import type { Backup } from '../../api/kinds/backup.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { ArchivedVolume, Archives, Follower } from '../../drivers/storage/contract.ts';
import { archiveNameOf, archiveOf } from '../backups/world.ts';
import { read } from '../guests/read.ts';
import type { GuestWorld } from '../guests/world.ts';
import { askPeer, SOURCE_SILENT } from '../peers/ask.ts';
import type { Answer } from '../peers/peers.ts';
import { readBackupKey } from '../pools/backupKey.ts';
import type { ArchiveQuestion } from './question.ts';

/** What may be otherwise in a moment, though nothing changes here: it is tried again. */
export const PASSING: ReadonlySet<string> = new Set([
  ...['StoragePoolNotReady', 'HostLost', 'PeerUnreachable', 'PeersNotReady', 'PeerHungUp', SOURCE_SILENT],
]);

/** Another host than this one has the archive, and this one does not have it by a pool that both share. */
export function liesElsewhere(
  { host, pools, poolInformer }: Pick<GuestWorld, 'host' | 'pools' | 'poolInformer'>,
  { spec, status }: Backup,
): boolean {
  if (status?.host === undefined || status.host === host) return false;
  return !(poolInformer.get(spec.pool)?.spec.shared === true && pools.get(spec.pool)?.type === 'Open');
}

/** The archive where it lies here; undefined: another host has it, and here is none. Throws as `archiveOf` does. */
export async function archiveHere(
  world: Pick<GuestWorld, 'host' | 'pools' | 'poolInformer'>,
  backup: Stored<Backup>,
): Promise<{ archives: Archives; name: string } | undefined> {
  if (!liesElsewhere(world, backup)) return archiveOf(world.pools, backup);
  const pool = world.pools.get(backup.spec.pool);
  if (pool?.type !== 'Open') return undefined;
  const { archives } = pool.driver;
  const isHere = (await archives.list()).includes(archiveNameOf(backup));
  return isHere ? archiveOf(world.pools, backup) : undefined;
}

/** How the host is that has the archive. */
export type Holder = 'There' | 'Lost' | 'PoolAway' | 'Silent';

export function holderOf(host: Stored<Host> | undefined, pool: string): Holder {
  const { state, peers, pools = [] } = host?.status ?? {};
  if (host === undefined || state === 'Offline' || state === 'Fenced') return 'Lost';
  if (peers === undefined) return 'Silent';
  return pools.some(({ name, healthy }) => name === pool && healthy) ? 'There' : 'PoolAway';
}

/** Why it cannot be had at the moment, as a reason and a message. */
export function holderAway(
  holder: Exclude<Holder, 'There'>,
  { host, pool }: { host: string | undefined; pool: string },
): { reason: string; message: string } {
  switch (holder) {
    case 'Lost':
      return {
        reason: 'HostLost',
        message: `the archive lies on the host ${host}, which is lost, and on no other that is there: it is waited for`,
      };
    case 'PoolAway':
      return {
        reason: 'StoragePoolNotReady',
        message: `the archive lies on the host ${host}, where the StoragePool ${pool} cannot be used at the moment`,
      };
    case 'Silent':
      return {
        reason: 'PeerUnreachable',
        message: `the archive lies on the host ${host}, which does not say where its agent can be reached: it is of an earlier version, or has just begun`,
      };
  }
}

export type Wanted = {
  backup: Stored<Backup>;
  /** In the archive. */
  volume: string;
  guest: ArchiveQuestion['archive']['guest'];
  epoch: number;
  restore?: { name: string; uid: string };
  bytesPerSecond?: number;
  /** Told how much of it has come. */
  follow?: Follower;
};

/** Into the pool whose archives these are. Throws ReasonedError, with the reasons of the other host too. */
export async function bringArchived(
  world: Pick<GuestWorld, 'client' | 'peers' | 'world' | 'poolInformer'>,
  into: Pick<Archives, 'receive'>,
  { backup, volume, guest, epoch, restore, bytesPerSecond, follow }: Wanted,
  signal: AbortSignal,
): Promise<ArchivedVolume> {
  const { namespace = 'default', name, uid } = backup.metadata;
  const { pool } = backup.spec;
  const at = backup.status?.host ?? '';
  const host = await world.client.find(Host, { name: at }, read(signal));
  const place = host?.status?.peers;
  const holder = holderOf(host, pool);
  if (holder !== 'There' || place === undefined) {
    const { reason, message } = holderAway(holder === 'There' ? 'Silent' : holder, { host: at, pool });
    throw new ReasonedError(reason, message);
  }
  const question: ArchiveQuestion = {
    version: 1,
    archive: {
      ...{ backup: { namespace, name, uid }, volume, guest, epoch },
      ...(restore === undefined ? {} : { restore }),
      ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
    },
  };
  const asking = { peers: world.peers, clock: world.world.clock, signal };
  return askPeer<Answer, ArchivedVolume>(asking, { host: at, place }, question, (_, stream) =>
    into.receive(archiveNameOf(backup), volume, stream, {
      signal,
      key: () => readBackupKey(world.client, world.poolInformer.get(pool)),
      ...(follow === undefined ? {} : { follow }),
    }),
  );
}
