/** Whether it is certain that a guest's placement runs nowhere any more: without that no guest gets another host. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { type GuestRecord, guardKey, isSameLife } from '../ha/model.ts';
import { hostRecordOf } from './stored.ts';

/**
 * A proof is stored that speaks of the life the guest was placed in, and covers it: a self-fence covers only what the Lease listed. `host` must
 * be a consistent read.
 */
export function isCertainlyDead({ placement }: GuestRecord, uid: string, host: Stored<Host>): boolean {
  if (placement === undefined || placement.host !== host.metadata.name) return false;
  const { proof } = hostRecordOf(host.status);
  if (proof === undefined || !isSameLife(proof, placement)) return false;
  return proof.covers === undefined || proof.covers.includes(guardKey(uid, placement.epoch));
}
