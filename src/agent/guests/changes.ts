/** The changes step: what can change in a running guest is changed, the rest is listed until it is applied or taken back. */
import { done, type Outcome, outcomeOf } from '../../base/outcome.ts';
import type { PendingChange } from '../../drivers/hypervisor/contract.ts';
import type { GuestObject } from './kind.ts';
import { requestFor } from './request.ts';
import type { Scope } from './scope.ts';

/** Compares only when the request has changed or something is still pending: at rest it costs one comparison of strings. */
export async function applyChanges<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): Promise<Outcome> {
  const { kind, handle, memory } = scope;
  try {
    const request = requestFor(scope);
    const text = JSON.stringify(request);
    if (memory.appliedRequest === text && memory.pendingChanges.length === 0) return done;
    memory.pendingChanges = await kind.driver.update(handle, request);
    memory.appliedRequest = text;
    return done;
  } catch (error) {
    return outcomeOf(error, 'ChangeFailed');
  }
}

/** Differences the driver cannot know: data is never moved or cut off by a change of the spec alone. */
export function volumeChanges<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
): PendingChange[] {
  const wanted = scope.kind.volumes(scope.object.spec);
  return wanted.flatMap((plan) => {
    const path = plan.kind === 'Disk' ? `disks[${plan.name}]` : plan.name;
    const recorded = scope.record?.volumes.find(({ name }) => name === plan.name);
    const size = scope.memory.volumes.get(plan.name)?.sizeBytes;
    const changes: PendingChange[] = [];
    if (recorded !== undefined && recorded.pool !== plan.pool) {
      changes.push({ path: `${path}.pool`, from: recorded.pool, to: plan.pool, class: 'Recreate' });
    }
    if (size !== undefined && plan.sizeBytes !== undefined && plan.sizeBytes < size) {
      changes.push({
        path: `${path}.size`,
        from: String(size),
        to: String(plan.sizeBytes),
        class: 'Recreate',
      });
    }
    return changes;
  });
}

/** The pending changes a restart would apply, as a text to compare with the last restart made for changes. */
export function restartableChanges(pending: readonly PendingChange[]): string | undefined {
  const changes = pending.filter((change) => change.class === 'Restart');
  return changes.length === 0 ? undefined : JSON.stringify(changes);
}
