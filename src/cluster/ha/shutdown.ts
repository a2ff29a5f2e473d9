/** A host that goes down in order: whether it does, and what that means for its guests. Pure. */
import { type HostView, isSameLife, type ShutdownPolicy } from './model.ts';

/** What an announced end of the host means for its guests. */
export function shutdownCourse(
  { shutdown, shutdownPolicy }: HostView,
  policy: ShutdownPolicy,
): 'Freeze' | 'Failover' | 'Migrate' {
  const chosen = shutdownPolicy ?? policy;
  if (chosen !== 'Conditional') return chosen;
  return shutdown?.kind === 'Reboot' ? 'Freeze' : 'Failover';
}

/** Its agent has said so, in the life the host has. */
export function isShuttingDown(host: HostView | undefined): boolean {
  return host?.shutdown !== undefined && isSameLife(host.shutdown, host.record.life);
}
