/** Which HAGroup a guest belongs to, kept up to date group by group: the one it names, else the first by name whose guestSelector selects it. */
import { isProtected } from '../../api/ha.ts';
import type { HAGroup, HAGroupSpec } from '../../api/kinds/haGroup.ts';
import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import { type Guest, nameOf } from '../guests.ts';

export type NamedGroup = { name: string; spec: HAGroupSpec };

/** The group of a guest; undefined also where a guest names one that does not exist. */
export type FindGroup = (guest: Guest) => NamedGroup | undefined;

export type Membership = {
  groupOf: FindGroup;
  /** All groups whose selector selects it, by name; none of a guest that names one itself. */
  selecting(guest: Guest): readonly NamedGroup[];
  /** Another number after each change of a group: what was read out of guests and groups together is to be read again. */
  version(): number;
  /** Takes in one change of an HAGroup. */
  observe(change: InformerChange<HAGroup>): void;
};

export function createMembership(): Membership {
  const groups = new Map<string, NamedGroup>();
  let selective: readonly NamedGroup[] = [];
  let version = 0;
  const isFree = ({ spec: { ha } }: Guest) => isProtected(ha) && ha?.group === undefined;
  return {
    groupOf: (guest) => {
      const { ha } = guest.spec;
      if (!isProtected(ha)) return undefined;
      return ha?.group === undefined
        ? selective.find(({ spec }) => selects(spec, guest))
        : groups.get(ha.group);
    },
    selecting: (guest) => (isFree(guest) ? selective.filter(({ spec }) => selects(spec, guest)) : []),
    version: () => version,
    observe: ({ key, before, after }) => {
      if (JSON.stringify(before?.spec) === JSON.stringify(after?.spec)) return;
      if (after === undefined) groups.delete(key);
      else groups.set(key, { name: key, spec: after.spec });
      selective = [...groups.values()]
        .filter(({ spec }) => spec.guestSelector !== undefined)
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      version += 1;
    },
  };
}

/** Of groups that do not change. */
export function membershipOf(groups: readonly Stored<HAGroup>[]): Membership {
  const membership = createMembership();
  for (const group of groups) membership.observe({ key: group.metadata.name, after: group });
  return membership;
}

function selects({ guestSelector }: HAGroupSpec, guest: Guest): boolean {
  if (guestSelector === undefined) return false;
  const { kind, namespaces, matchLabels = {} } = guestSelector;
  const name = nameOf(guest);
  if (kind !== undefined && kind !== name.kind) return false;
  if (namespaces !== undefined && namespaces.length > 0 && !namespaces.includes(name.namespace)) return false;
  return Object.entries(matchLabels).every(([key, value]) => guest.metadata.labels?.[key] === value);
}
