/** What guests really use, as their hosts have measured it, put into the engine's view for balance by Load. Pure. */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import { parseBytes } from '../../base/quantity.ts';
import type { GuestView, HostView } from '../ha/model.ts';

type Amount = { cpus: number; memoryBytes: number };
type Row = NonNullable<NonNullable<Host['status']>['guests']>[number];

export type LoadFacts = {
  hosts: Iterable<Stored<Host>>;
  guests: readonly GuestView[];
  /** What a guest asks for that the engine does not count. */
  demand(row: Pick<Row, 'kind' | 'namespace' | 'name'>): Amount | undefined;
};

export type MeasuredLoads = {
  /** The guest with what it uses where it is placed; without a figure it counts as what it asks for. */
  guest(view: GuestView): GuestView;
  /** The host with what others use of it. */
  host(view: HostView): HostView;
};

export function measuredLoads({ hosts, guests, demand }: LoadFacts): MeasuredLoads {
  const counted = new Set(guests.map(({ uid }) => uid));
  const loads = new Map<string, Amount>();
  const others = new Map<string, Amount>();
  for (const { metadata, status } of hosts)
    for (const row of status?.guests ?? []) {
      if (!row.running) continue;
      if (!counted.has(row.uid)) {
        const sum = others.get(metadata.name) ?? { cpus: 0, memoryBytes: 0 };
        const { cpus, memoryBytes } = amountOf(row) ?? demand(row) ?? { cpus: 0, memoryBytes: 0 };
        others.set(metadata.name, { cpus: sum.cpus + cpus, memoryBytes: sum.memoryBytes + memoryBytes });
        continue;
      }
      const amount = amountOf(row);
      if (amount !== undefined) loads.set(keyOf(row.uid, metadata.name), amount);
    }
  return {
    guest: (view) => {
      const load = loads.get(keyOf(view.uid, view.record.placement?.host));
      return load === undefined ? view : { ...view, load };
    },
    host: (view) => {
      const used = others.get(view.name);
      return used === undefined ? view : { ...view, usedByOthers: used };
    },
  };
}

function keyOf(uid: string, host: string | undefined): string {
  return `${uid}/${host}`;
}

function amountOf({ load }: Row): Amount | undefined {
  return load === undefined ? undefined : { cpus: load.cpu, memoryBytes: parseBytes(load.memory) };
}
