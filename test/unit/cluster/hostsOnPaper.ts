/** Hosts, what is promised on them and the scheduler that asks them, without an API: for stories of placement alone. */
import type { HAGroup, HAGroupSpec } from '../../../src/api/kinds/haGroup.ts';
import type { Host } from '../../../src/api/kinds/host.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { type Guest, nameOf } from '../../../src/cluster/guests.ts';
import type { Filter } from '../../../src/cluster/placement/filters.ts';
import { createLedger } from '../../../src/cluster/placement/ledger.ts';
import { membershipOf } from '../../../src/cluster/placement/membership.ts';
import { createScheduler } from '../../../src/cluster/placement/scheduler.ts';
import { machine } from './builders.ts';

export function createHostsOnPaper(
  hosts: readonly Stored<Host>[],
  filters?: readonly Filter[],
  groups: Readonly<Record<string, HAGroupSpec>> = {},
) {
  const { groupOf } = membershipOf(
    Object.entries(groups).map(([name, spec]) => ({ metadata: { name }, spec }) as Stored<HAGroup>),
  );
  const ledger = createLedger(groupOf);
  const scheduler = createScheduler(ledger, {
    ...(filters === undefined ? {} : { filters }),
    groupOf,
  });
  const report = (host: Stored<Host>) => scheduler.observe({ key: host.metadata.name, after: host });
  hosts.forEach(report);
  const keyOf = (guest: Guest) => Object.values(nameOf(guest)).join('/');
  return {
    ledger,
    scheduler,
    /** A host says something new. */
    report,
    /** Books a guest nobody has rules about. */
    promise: (host: string, bytes: number) =>
      ledger.assume(
        `promised/${host}`,
        machine(`promised-${host}`, { memory: { size: String(bytes) } }),
        host,
      ),
    /** Books the guest there. */
    place: (guest: Guest, host: string) => ledger.assume(keyOf(guest), guest, host),
    leave: (guest: Guest) => ledger.forget(keyOf(guest)),
    /** Places the guest as the controller would. */
    put: (guest: Guest) => {
      const choice = scheduler.choose(guest);
      if ('host' in choice) ledger.assume(keyOf(guest), guest, choice.host);
      return choice;
    },
    /** The reason of one host, or undefined when it takes the guest. */
    reason: (guest: Guest, host: string) => {
      const verdict = scheduler.judge(guest).find((one) => one.host === host);
      return verdict?.fits === false ? verdict.reason : undefined;
    },
  };
}
