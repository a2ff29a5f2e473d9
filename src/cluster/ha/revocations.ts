/**
 * What it is worth that storage was taken from a host which may be lost. Where a pool can do so it is done before guests start elsewhere after a
 * self-fence, and proves nothing; with `storageRevocation: Sufficient` it counts for guests that can write nowhere any more. See docs/safety.md.
 */
import type { EngineFlaw, GuestView, HostView, Incident, Revocation, View } from './model.ts';
import { guardKey, isSameLife } from './model.ts';

/** A host with an open incident, and the guests on it that are to run. */
export type Suspect = { host: HostView; incident: Incident; guests: readonly GuestView[] };

/** After so many failures a self-fence counts without it, as where no pool can revoke. */
export const TRIES = 2;

/** `count`: also of those that are long over. */
type Tries = { tried: readonly Revocation[]; count: number };

/** Pools that can revoke, of guests that are to run there in this boot. */
export function poolsOf({ incident, guests }: Suspect, { revocable }: View): string[] {
  const pools = guests.flatMap(({ pools: own, record }) =>
    record.placement?.bootID === incident.bootID ? (own ?? []) : [],
  );
  return [...new Set(pools)].filter((pool) => revocable.has(pool)).sort();
}

export function triesOf(pool: string, { incident }: Suspect, { revocations }: View): Tries {
  const tried = revocations.filter((one) => one.incident === incident.id && one.pool === pool);
  // Counted by their names: of those that are long over some are gone.
  const numbers = tried.map(({ id }) => Number(/-(\d+)$/.exec(id)?.[1] ?? 0));
  return { tried, count: tried.length === 0 ? 0 : Math.max(...numbers) + 1 };
}

/** Before a self-fence counts, its pools have been revoked, or could not be. */
export function hasRevokedBefore(suspect: Suspect, view: View): boolean {
  return poolsOf(suspect, view).every((pool) => {
    const { tried, count } = triesOf(pool, suspect, view);
    if (tried.some(({ result }) => result === 'Revoked')) return true;
    return count >= TRIES && tried.every(({ result }) => result !== undefined);
  });
}

/** Guests that write nothing any more, as `<uid>@<epoch>`: each pool of each has said so. */
export function coveredByRevocation(
  { incident, guests }: Suspect,
  { policy, revocations }: View,
  flaw?: EngineFlaw,
): string[] {
  if (policy.storageRevocation !== 'Sufficient') return [];
  const isSaid = ({ result }: Revocation) => result === 'Revoked' || flaw === 'RevokedUnacknowledged';
  const revoked = new Set(
    revocations.filter((one) => one.incident === incident.id && isSaid(one)).map(({ pool }) => pool),
  );
  return guests.flatMap(({ uid, pools = [], record: { placement } }) => {
    const isRevoked = (pool: string) => revoked.has(pool);
    const isAll = flaw === 'PartlyRevoked' ? pools.some(isRevoked) : pools.every(isRevoked);
    const isCovered = pools.length > 0 && isAll && isSameLife(placement, incident);
    return isCovered && placement !== undefined ? [guardKey(uid, placement.epoch)] : [];
  });
}

/**
 * Its storage was taken from it in this incident, or may have been: that it is about to be is stored first, and nobody knows of a pool that did not
 * answer. False also when all who were to do it have refused.
 */
export function mayBeRevoked({ record }: HostView, { id, bootID }: Incident, { revocations }: View): boolean {
  if (record.proof !== undefined) return true;
  if (record.revoked !== bootID) return false;
  const asked = revocations.filter(({ incident }) => incident === id);
  return asked.length === 0 || asked.some(({ result }) => result !== 'Refused');
}

/** What a person reads of a host that is heard in a boot in which its storage was taken from it. */
export function toReboot({ name }: HostView): string {
  return `StorageRevoked: storage was taken from ${name} in this boot: restart it, and it takes guests again`;
}
