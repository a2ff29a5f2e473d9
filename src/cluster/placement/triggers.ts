/** What wakes guests that wait for a host: only what they wait for, so that one change costs work for those it concerns. */
import { isProtected } from '../../api/ha.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Operation } from '../../api/kinds/operation.ts';
import type { KindRef, KubeObject } from '../../api/meta.ts';
import type { Informer } from '../../client/contract.ts';
import type { Trigger } from '../../runtime/contract.ts';
import { trigger } from '../../runtime/trigger.ts';
import type { Guest } from '../guests.ts';
import { withoutInventory } from './inventory.ts';
import type { PlacementSources } from './placement.ts';

/** Indexes the informers of guests need for it: `unplaced`, `pool`, `image`. */
export function guestsToPlace<T extends Guest>(
  kind: KindRef<T>,
  guests: Informer<T>,
  sources: PlacementSources,
): Trigger[] {
  const { hosts, groups, pools, images, operations } = sources;
  const unplaced = () => guests.byIndex('unplaced', 'yes').map(keyOf);
  const naming = (index: 'pool' | 'image', name: string) =>
    guests
      .byIndex(index, name)
      .filter(({ status }) => status?.placement === undefined)
      .map(keyOf);
  /** It may also select those that name none, or have done so. */
  const boundBy = (group: string) =>
    guests
      .byIndex('unplaced', 'yes')
      .filter(({ spec: { ha } }) => isProtected(ha) && (ha?.group ?? group) === group)
      .map(keyOf);
  return [
    roomOn(kind.kind, sources),
    trigger(hosts, ({ before, after }) => (endsTheWait(before, after, sources) ? unplaced() : [])),
    trigger(hosts, ({ after }) => guestsBehind(kind.kind, guests, after)),
    trigger(groups, ({ key, before, after }) => (isDeclaredAnew(before, after) ? boundBy(key) : [])),
    trigger(pools, ({ key, before, after }) => (isDeclaredAnew(before, after) ? naming('pool', key) : [])),
    trigger(images, ({ key, before, after }) => (isDeclaredAnew(before, after) ? naming('image', key) : [])),
    trigger(operations, ({ before, after }) => guestOfOperation(kind.kind, after ?? before)),
  ];
}

/** A host offers something else, or has news of who is there. */
function roomOn(kind: string, { scheduler, ledger, line }: PlacementSources): Trigger {
  const prefix = `${kind}/`;
  return {
    subscribe: (enqueue) => {
      const wake = (host: string) => {
        for (const id of line.candidates(host)) if (id.startsWith(prefix)) enqueue(id.slice(prefix.length));
      };
      const ends = [scheduler.onChange(wake), ledger.onChange((host, freed) => freed && wake(host))];
      return () => {
        for (const end of ends) end();
      };
    },
  };
}

/** The last host that had not reported has, or went away; or the control plane has caught up with it. */
function endsTheWait(
  before: Host | undefined,
  after: Host | undefined,
  { hosts, cluster }: PlacementSources,
): boolean {
  const view = (host: Host | undefined) => [host?.status?.inventoryAt, host?.status?.incarnation].join();
  if (before !== undefined && after !== undefined && view(before) === view(after)) return false;
  return withoutInventory(hosts.list(), cluster().incarnation).length === 0;
}

function isDeclaredAnew(before: KubeObject | undefined, after: KubeObject | undefined): boolean {
  return JSON.stringify(before?.spec) !== JSON.stringify(after?.spec);
}

/** Guests that this host remembers with a later epoch than the API holds. */
function guestsBehind<T extends Guest>(kind: string, guests: Informer<T>, host: Host | undefined): string[] {
  return (host?.status?.guests ?? []).flatMap((record) => {
    const key = `${record.namespace}/${record.name}`;
    const guest = record.kind === kind ? guests.get(key) : undefined;
    return guest !== undefined && record.epoch > (guest.status?.placement?.epoch ?? 0) ? [key] : [];
  });
}

function guestOfOperation(kind: string, operation: Operation | undefined): string[] {
  if (operation === undefined || operation.spec.guest.kind !== kind) return [];
  return [`${operation.metadata.namespace}/${operation.spec.guest.name}`];
}

function keyOf({ metadata }: Guest): string {
  return `${metadata.namespace}/${metadata.name}`;
}
