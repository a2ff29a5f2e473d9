/** Why a host is emptied: somebody asked for it, or it goes down where guests are to move before. Pure. */
import type { Host, HostSpec } from '../../api/kinds/host.ts';
import type { ShutdownPolicy } from '../ha/model.ts';
import { isShuttingDown } from '../placement/offer.ts';

/** It may have to be emptied, by what stands in the Host alone. */
export function mayBeEmptied(host: Pick<Host, 'spec' | 'status'>): boolean {
  return host.spec.maintenance?.enabled === true || isOnItsWayDown(host);
}

/** `policy`: of the ClusterPolicy, where the host has none of its own. */
export function isToBeEmptied(
  host: Pick<Host, 'spec' | 'status'>,
  policy: ShutdownPolicy | undefined,
): boolean {
  const { maintenance, shutdownPolicy = policy } = host.spec;
  return maintenance?.enabled === true || (shutdownPolicy === 'Migrate' && isOnItsWayDown(host));
}

/** Once it is down nobody leaves it any more by moving. */
function isOnItsWayDown({ status }: Pick<Host, 'status'>): boolean {
  return isShuttingDown({ status }) && status?.shutdown?.stoppedAt === undefined;
}

/** What is asked; of a host that goes down its agent stops what has not left. */
export function orderOf({ spec }: Pick<Host, 'spec'>): NonNullable<HostSpec['maintenance']> {
  return spec.maintenance?.enabled === true ? spec.maintenance : { enabled: true, policy: 'Migrate' };
}
