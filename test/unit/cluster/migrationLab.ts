/** The cluster's part of migrations over an API in memory: hosts and guests are seeded, what their agents would say is said by the story. */
import { Container } from '../../../src/api/kinds/container.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { Migration, type MigrationSpec, type MigrationStatus } from '../../../src/api/kinds/migration.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';
import { silentLog } from '../../../src/base/log.ts';
import { createMemoryClient, type MemoryRequest } from '../../../src/client/memory.ts';
import { createBoard } from '../../../src/cluster/migration/board.ts';
import {
  migrationController,
  migrationIndexes,
  migrationsOfGuests,
  migrationTriggers,
} from '../../../src/cluster/migration/migrations.ts';
import { createLedger } from '../../../src/cluster/placement/ledger.ts';
import { createScheduler } from '../../../src/cluster/placement/scheduler.ts';
import { createManager } from '../../../src/runtime/engine.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';

type Conditions = NonNullable<NonNullable<VirtualMachine['status']>['conditions']>;

/** What an agent says of a running machine that can move. */
export function movable(host: string, epoch = 1, migratable: 'True' | 'False' = 'True') {
  const condition = (type: string, status: 'True' | 'False'): Conditions[number] => ({
    type,
    status,
    reason: status === 'True' ? type : 'NatNetwork',
    message: status === 'True' ? '' : 'eth0 is on the NAT network of its host',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  return {
    placement: { host, epoch, since: '2026-01-01T00:00:00Z' },
    conditions: [condition('Running', 'True'), condition('Migratable', migratable)],
  };
}

export function createMigrationLab() {
  const clock = createFakeClock();
  const api = createMemoryClient({ clock });
  let stop = new AbortController();
  let intercept: (request: MemoryRequest) => void = () => {};

  /** A manager that has just become the leader. */
  const lead = (limits: { inCluster?: number } = {}) => {
    const client = createMemoryClient({ clock, server: api, intercept: (request) => intercept(request) });
    const world = { clock, random: seededRandom(), log: silentLog };
    const manager = createManager({ client, world, component: 'vireo-manager', host: 'm1' });
    const machines = manager.informers.informer(VirtualMachine);
    const containers = manager.informers.informer(Container);
    const hosts = manager.informers.informer(Host);
    const migrations = manager.informers.informer(Migration, { indexes: migrationIndexes });
    const ledger = createLedger();
    const scheduler = createScheduler(ledger);
    hosts.onChange(scheduler.observe);
    const guest = (key: string) =>
      key.startsWith('Container/')
        ? containers.get(key.slice('Container/'.length))
        : machines.get(key.slice('VirtualMachine/'.length));
    const board = createBoard(ledger, { guest, migration: (key) => migrations.get(key) });
    machines.onChange((change) => {
      ledger.observe(`VirtualMachine/${change.key}`, change);
      board.observeGuest(`VirtualMachine/${change.key}`);
    });
    migrations.onChange(board.observe);
    const sources = { migrations, hosts, guest, scheduler, board, ...limits };
    manager.add(
      migrationController(sources, [
        migrationsOfGuests(machines, sources),
        migrationsOfGuests(containers, sources),
        ...migrationTriggers(sources),
      ]),
    );
    const ended = manager.run(stop.signal);
    ended.catch(() => undefined);
    return { ledger };
  };

  const end = async () => {
    stop.abort(new Error('the story is over'));
    await settle();
  };
  const migration = (name: string) =>
    api.state.get(Migration, `default/${name}`) as Stored<Migration> | undefined;
  return {
    clock,
    api,
    lead,
    migration,
    end,
    /** What becomes of requests of the manager from now on. */
    intercept: (by: (request: MemoryRequest) => void) => {
      intercept = by;
    },
    /** Another manager leads, and knows only what is stored. */
    succeed: async () => {
      await end();
      stop = new AbortController();
      lead();
      await clock.advance(1_000);
    },
    ask: async (name: string, spec: Partial<MigrationSpec> = {}, annotations?: Record<string, string>) => {
      // What happened before has been seen.
      await settle();
      api.seed(Migration, {
        apiVersion: 'vireo.dev/v1alpha1',
        kind: 'Migration',
        metadata: { name, namespace: 'default', ...(annotations === undefined ? {} : { annotations }) },
        spec: { guest: { kind: 'VirtualMachine', name: 'web' }, ...spec },
      });
      await clock.advance(1_000);
      return migration(name)?.status;
    },
    /** What an agent writes. */
    say: async (name: string, status: MigrationStatus) => {
      await api.mergePatch(Migration, { namespace: 'default', name }, { status }, { subresource: 'status' });
      await clock.advance(1_000);
    },
    condition: (name: string, type: string) =>
      migration(name)?.status?.conditions?.find((condition) => condition.type === type),
  };
}
