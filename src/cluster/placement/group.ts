/** What a guest's HAGroup says to placement: the hosts it binds the guest to, and those it prefers. A group that does not exist says nothing. Pure. */
import type { HAGroupSpec } from '../../api/kinds/haGroup.ts';
import type { NamedGroup } from './membership.ts';

export type GroupWish = {
  /** Restricted: no other hosts. */
  bound: { group: string; hosts: readonly string[] } | undefined;
  /** From above 0 to 1 for the hosts of the highest priority; others are not preferred. */
  preference: ReadonlyMap<string, number>;
  /** Name of the group, if it moves the guest back to hosts it prefers. */
  failback: string | undefined;
};

const NONE: GroupWish = { bound: undefined, preference: new Map(), failback: undefined };

export function groupWishOf(found: NamedGroup | undefined): GroupWish {
  if (found === undefined) return NONE;
  const { name, spec: group } = found;
  const priorities = [...new Set(group.hosts.map(priorityOf))].sort((a, b) => a - b);
  const preference = new Map(
    group.hosts.map((host) => [host.name, (priorities.indexOf(priorityOf(host)) + 1) / priorities.length]),
  );
  const hosts = [...preference.keys()].sort();
  const bound = group.restricted === true ? { group: name, hosts } : undefined;
  return { bound, preference, failback: group.failback === true ? name : undefined };
}

/** What the HAGroups of guests that move as one say of it: preferences add up, and it is moved back only if all that prefer hosts ask for it. */
export function setWishOf(
  wishes: readonly Pick<GroupWish, 'preference' | 'failback'>[],
): Pick<GroupWish, 'failback'> & { preference(host: string): number } {
  const choosy = wishes.filter(({ preference }) => preference.size > 0);
  return {
    failback: choosy.every(({ failback }) => failback !== undefined) ? choosy[0]?.failback : undefined,
    preference: (host) => choosy.reduce((sum, { preference }) => sum + (preference.get(host) ?? 0), 0),
  };
}

function priorityOf({ priority }: HAGroupSpec['hosts'][number]): number {
  return priority ?? 0;
}
