/** Says of a guest that it names an HAGroup that does not exist: such a group binds nobody, which would only be noticed on the day a host is lost. */
import { isProtected } from '../../api/ha.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Condition, KindRef, Stored } from '../../api/meta.ts';
import { done } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import { findCondition, removeCondition, setCondition } from '../../runtime/conditions.ts';
import type { Controller } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest } from '../guests.ts';

/** Of guests; there while it is true. */
export const GROUP_MISSING = 'HAGroupMissing';

/** For one kind of guests. `informer` has the index `ha`. */
export function groupNameController<T extends Guest>(
  kind: KindRef<T>,
  informer: Informer<T>,
  groups: Informer<HAGroup>,
): Controller<T> {
  const missing = (guest: Stored<T>): string | undefined => {
    const { ha } = guest.spec;
    const name = isProtected(ha) ? ha?.group : undefined;
    return name === undefined || groups.get(name) !== undefined ? undefined : name;
  };
  return {
    name: `ha-group-of-${kind.kind.toLowerCase()}`,
    kind,
    informer,
    writes: [`status.conditions.${GROUP_MISSING}`],
    selects: (guest) => missing(guest) !== undefined || isTold(guest),
    triggers: [
      trigger(groups, ({ key, before, after }) => {
        if (before !== undefined && after !== undefined) return [];
        const naming = informer.byIndex('ha', 'yes').filter(({ spec }) => spec.ha?.group === key);
        return naming.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);
      }),
    ],
    reconcile: async ({ object, now }) => {
      const { generation } = object.metadata;
      const conditions = withGroup(object.status?.conditions ?? [], missing(object), { now, generation });
      return { outcome: done, status: { ...object.status, conditions } as T['status'] };
    },
  };
}

function isTold(guest: Stored<Guest>): boolean {
  return findCondition(guest.status?.conditions, GROUP_MISSING) !== undefined;
}

function withGroup(
  conditions: readonly Condition[],
  name: string | undefined,
  at: { now: number; generation: number | undefined },
): Condition[] {
  if (name === undefined) return removeCondition(conditions, GROUP_MISSING);
  const message = `there is no HAGroup "${name}", so that the guest may go to any host: make the group, or correct spec.ha.group`;
  return setCondition(
    conditions,
    { type: GROUP_MISSING, status: 'True', reason: 'HAGroupNotFound', message },
    at,
  );
}
