/** Which FenceActions of a host are kept: the newest, for whoever looks into what happened. Pure. */
import type { FenceAction } from '../../api/kinds/fenceAction.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';

/** More than the levels a host may have: of each device that may have switched it off one that switches it on again stays. */
const KEPT_FOR_EACH_HOST = 10;

/**
 * Those of one host that are over and older than what is kept. What shows that a device lies stays until a person deletes it, and what was, or may have
 * been, taken from the host until it lives in another boot.
 */
export function surplusOf(
  actions: readonly Stored<FenceAction>[],
  host: Stored<Host> | undefined,
): Stored<FenceAction>[] {
  const { revoked } = host?.status?.ha ?? {};
  const tries = actions.filter(({ spec }) => spec.method === 'Revoke' && spec.bootID === revoked);
  const kept = new Set([
    ...tries.filter(({ status }) => status?.phase === 'Revoked'),
    tries.findLast(({ status }) => status?.phase === 'Failed'),
  ]);
  return actions
    .filter(({ status }) => status?.completedAt !== undefined && status.contradictedAt === undefined)
    .filter((action) => !kept.has(action))
    .sort((a, b) => (isBefore(a, b) ? 1 : -1))
    .slice(KEPT_FOR_EACH_HOST);
}

function isBefore(a: Stored<FenceAction>, b: Stored<FenceAction>): boolean {
  const [one, other] = [a.status?.completedAt ?? '', b.status?.completedAt ?? ''];
  if (one !== other) return one < other;
  return a.metadata.name.localeCompare(b.metadata.name, 'en', { numeric: true }) < 0;
}
