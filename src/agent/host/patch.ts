/** The merge patch from one Host status to the next. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { HostStatus } from '../../api/kinds/host.ts';

/**
 * Undefined when nothing differs. Conditions are shared with the manager in one list, so a patch with them carries the resourceVersion; so does one
 * that says or takes back that the host is stopped, as what the manager made of the word before must have been seen. All other fields are
 * the agent's alone, and a write of the manager beside them is no conflict.
 */
export function statusPatch(before: HostStatus, after: HostStatus, resourceVersion: string): unknown {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof HostStatus>;
  const status: Record<string, unknown> = {};
  for (const key of keys) {
    if (!isDeepStrictEqual(before[key], after[key])) status[key] = after[key] ?? null;
  }
  if (Object.keys(status).length === 0) return undefined;
  const isBound = 'conditions' in status || 'shutdown' in status;
  return isBound ? { metadata: { resourceVersion }, status } : { status };
}
