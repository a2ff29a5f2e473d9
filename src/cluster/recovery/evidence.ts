/** Whether it is certain that a guest's placement runs nowhere any more: without that no guest gets another host. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import {
  type GuestRecord,
  guardKey,
  type HostRecord,
  isSameLife,
  NO_LIFE,
  type Placement,
} from '../ha/model.ts';
import { speaksOf } from '../ha/proofs.ts';
import { hostRecordOf } from './stored.ts';

/** `host` must be a consistent read. */
export function isCertainlyDead({ placement }: GuestRecord, uid: string, host: Stored<Host>): boolean {
  if (placement === undefined || placement.host !== host.metadata.name) return false;
  return isDeadBy(hostRecordOf(host.status), uid, placement) || isGoneWithItsBoot(placement, uid, host);
}

/**
 * The host lives in another boot, and its agent, which remembers the guest under this epoch, says that it does not run. It has that from its own
 * disk, so it is the machine that had the guest; nothing of a boot outlives it, and in the new one it may not start the guest by an old word.
 */
function isGoneWithItsBoot({ bootID, epoch }: Placement, uid: string, { status }: Stored<Host>): boolean {
  const { state, life } = status?.ha ?? {};
  const isPresent = state === 'Online' || state === 'Maintenance';
  if (!isPresent || life === undefined || life.bootID === bootID || !isSameLife(status?.keeper, life))
    return false;
  const known = status?.guests?.find((guest) => guest.uid === uid);
  return known?.epoch === epoch && !known.running && bootID !== NO_LIFE.bootID;
}

/** A proof is stored that speaks of the life the guest was placed in, and covers it: a self-fence covers only what the Lease listed. */
export function isDeadBy({ proof }: HostRecord, uid: string, placement: Placement): boolean {
  if (proof === undefined || !speaksOf(proof, placement)) return false;
  return proof.covers === undefined || proof.covers.includes(guardKey(uid, placement.epoch));
}

/**
 * Of a guest that was never told a life of its host: the last one the host had is the last in which it may have run, as long as the host has not said
 * that it has booted since: nobody would have kept it from starting then. A consistent read, too.
 */
export function isDeadUntold(
  { host: name, epoch }: Pick<Placement, 'host' | 'epoch'>,
  uid: string,
  { metadata, status }: Stored<Host>,
): boolean {
  const { life } = status?.ha ?? {};
  if (life === undefined || name !== metadata.name) return false;
  if (status?.bootID !== undefined && status.bootID !== life.bootID) return false;
  return isDeadBy(hostRecordOf(status), uid, { host: name, epoch, ...life });
}
