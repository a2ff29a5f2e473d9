/** What every host says to one guest, computed from a snapshot of the cluster by the code that places guests. Pure. */
import type { ClusterPolicy } from '../../api/kinds/clusterPolicy.ts';
import type { HAGroup } from '../../api/kinds/haGroup.ts';
import type { Host } from '../../api/kinds/host.ts';
import type { Image } from '../../api/kinds/image.ts';
import { isOver, type Migration } from '../../api/kinds/migration.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import { findCondition } from '../../runtime/conditions.ts';
import { demandOf, nameOf, type StoredGuest } from '../guests.ts';
import { movedGuest } from '../migration/board.ts';
import { firstOf } from '../migration/follow.ts';
import { companionsOf } from '../migration/set.ts';
import { destinationsOf } from '../migration/target.ts';
import { choiceOf, type Verdict } from './choose.ts';
import { createLedger } from './ledger.ts';
import { membershipOf } from './membership.ts';
import { NO_OVERCOMMIT } from './offer.ts';
import { brokenReference } from './references.ts';
import { createScheduler } from './scheduler.ts';

export type Snapshot = {
  hosts: readonly Stored<Host>[];
  groups: readonly Stored<HAGroup>[];
  guests: readonly StoredGuest[];
  pools: readonly Stored<StoragePool>[];
  images: readonly Stored<Image>[];
  migrations: readonly Stored<Migration>[];
  /** One, or none. */
  policies: readonly Stored<ClusterPolicy>[];
};

export type Explanation = {
  /** Where the guest is, or where it would go now. */
  host: { name: string; is: 'Here' | 'Chosen' } | undefined;
  /** What keeps it from any host, or from moving; undefined: nothing. */
  obstacle: string | undefined;
  /** By name of the host. */
  verdicts: readonly Verdict[];
};

export function explainGuest(guest: StoredGuest, snapshot: Snapshot): Explanation {
  const { hosts, pools, images } = snapshot;
  const sets = setsOf(snapshot);
  const { scheduler } = sets;
  const at = guest.status?.placement?.host;
  const source = hosts.find(({ metadata: { name } }) => name === at);
  if (at !== undefined && source !== undefined) {
    const moves = movesLive(guest) ? 'Live' : 'Offline';
    const companions = companionsOf(guest, { by: 'Person', type: 'Auto' }, sets);
    const verdicts = destinationsOf({ guest, source, moves, scheduler, companions });
    return { host: { name: at, is: 'Here' }, obstacle: whyNotMovable(guest), verdicts };
  }
  const verdicts = scheduler.judge(guest);
  const named = <T extends { metadata: { name: string } }>(list: readonly T[]) => {
    return (name: string) => list.find(({ metadata }) => metadata.name === name);
  };
  const lookup = { pool: named(pools), image: named(images) };
  const broken = brokenReference(demandOf(guest), nameOf(guest).namespace, lookup);
  const choice = choiceOf(verdicts, guest.spec.placement?.host);
  const unnamed = 'reason' in choice && choice.reason !== 'NoHostFits' ? choice.message : undefined;
  return {
    host: broken === undefined && 'host' in choice ? { name: choice.host, is: 'Chosen' } : undefined,
    obstacle: broken?.message ?? unnamed,
    verdicts,
  };
}

/** The scheduler over a snapshot, with those whom sets consist of. */
export function setsOf(snapshot: Snapshot) {
  const guests = new Map(snapshot.guests.map((guest) => [keyOf(guest), guest]));
  return {
    scheduler: schedulerOf(snapshot),
    guest: (key: string) => guests.get(key),
    host: (name: string) => snapshot.hosts.find(({ metadata }) => metadata.name === name),
  };
}

/** With what is promised to moves under way, and to those that go behind them. */
function schedulerOf({ hosts, groups, guests, migrations, policies }: Snapshot) {
  const { groupOf } = membershipOf(groups);
  const ledger = createLedger(groupOf);
  const scheduler = createScheduler(ledger, { groupOf });
  scheduler.overcommit(policies[0]?.spec.memoryOvercommit ?? NO_OVERCOMMIT);
  for (const host of hosts) scheduler.observe({ key: host.metadata.name, after: host });
  const byKey = new Map(guests.map((guest) => [keyOf(guest), guest]));
  for (const [key, guest] of byKey) {
    const host = guest.status?.placement?.host;
    if (host !== undefined) ledger.assume(key, guest, host);
  }
  for (const migration of migrations.filter((one) => !isOver(one))) {
    const guest = byKey.get(movedGuest(migration));
    const first = migrations.find(
      ({ metadata }) => firstOf(migration) === `${metadata.namespace}/${metadata.name}`,
    );
    const target = migration.status?.targetHost ?? first?.status?.targetHost;
    if (guest === undefined || target === undefined || target === guest.status?.placement?.host) continue;
    ledger.expect(`Migration/${migration.metadata.uid}`, guest, target);
  }
  return scheduler;
}

function keyOf(guest: StoredGuest): string {
  const { kind, namespace, name } = nameOf(guest);
  return `${kind}/${namespace}/${name}`;
}

function movesLive({ status, ...guest }: StoredGuest): boolean {
  return guest.kind === 'VirtualMachine' && findCondition(status?.conditions, 'Running')?.status === 'True';
}

function whyNotMovable(guest: StoredGuest): string | undefined {
  const migratable = findCondition(guest.status?.conditions, 'Migratable');
  return migratable?.status === 'False'
    ? `it cannot move${movesLive(guest) ? ' while it runs' : ''}: ${migratable.message}`
    : undefined;
}
