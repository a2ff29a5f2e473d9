/**
 * Opens the StoragePools that are for this host and watches over their health and fill. It writes nothing to the StoragePool: what it
 * finds goes into the Host's status.
 */
import { join } from 'node:path';
import { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { done, type Outcome, outcomeOf, stalled, waiting } from '../../base/outcome.ts';
import type { Client, Informer } from '../../client/contract.ts';
import type { StoragePool as PoolDriver, PoolFacts } from '../../drivers/storage/contract.ts';
import type { Controller, Pass, Trigger } from '../../runtime/contract.ts';
import { CONTROLLERS } from '../access.ts';
import { isAllowedPath } from '../allowlist.ts';
import { STORAGE_REVOKED, type Upkeep, withoutWrites } from '../fencing/upkeep.ts';
import { createTelling, type FoundArchive, findArchives, type Telling } from './archives.ts';
import { readBackupKey } from './backupKey.ts';
import type { PoolTable } from './table.ts';

/** How often fill and health are read. */
export const POOL_POLL_MS = 60_000;
/** After volumes were made or removed they are read this much later, once for all of a burst. */
export const POOL_USED_MS = 3_000;
/** Of very many archives others are told after this: a look at the pool that comes a little early counts. */
const TELLING_MS = POOL_POLL_MS / 2;
/** What was taken from this host, or by it, is looked at so often. */
const TAKEN_POLL_MS = 5_000;

export type PoolPlace = {
  type: StoragePool['spec']['type'];
  name: string;
  path: string;
  sharedBy?: string;
  /** The key for its archives that the StoragePool names at that time, if it names one. Throws ReasonedError KeyMissing. */
  backupKey(): Promise<string | undefined>;
};

export type PoolControllerOptions = {
  host: string;
  stateDirectory: string;
  /** Directories of the allow-list. */
  poolPaths: readonly string[];
  files: Pick<Files, 'realPath'>;
  clock: Pick<Clock, 'after' | 'monotonic'>;
  client: Pick<Client, 'find'>;
  informer: Informer<StoragePool>;
  pools: PoolTable;
  /** Names of the archives that Backups of this host stand for. */
  archives(): ReadonlySet<string>;
  openPool(pool: PoolPlace): Promise<PoolDriver>;
  /** Looks after what was taken from hosts in pools that can be. */
  upkeep: Upkeep;
  /** Of this host. */
  bootID: string | undefined;
};

type OpenPool = (place: Omit<PoolPlace, 'sharedBy' | 'backupKey'>, shared: boolean) => Promise<PoolDriver>;
/** The archives in it that are to have Backups again, of which the host tells now. */
type LostIn = (name: string, driver: PoolDriver) => Promise<FoundArchive[]>;

/** Directory of pools without a path of their own. */
export function ownPoolsDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'pools');
}

/** The controller of pools on one host. */
export function poolController(options: PoolControllerOptions): Controller<StoragePool> {
  const { informer, pools } = options;
  const opened = new Map<string, { path: string; shared: boolean; driver: PoolDriver }>();
  const tellings = new Map<string, Telling>();

  const open: OpenPool = async (place, shared) => {
    const { name, path } = place;
    const known = opened.get(name);
    if (known?.path === path && known.shared === shared) return known.driver;
    const driver = await options.openPool({
      ...place,
      ...(shared ? { sharedBy: options.host } : {}),
      backupKey: () => readBackupKey(options.client, informer.get(name)),
    });
    opened.set(name, { path, shared, driver });
    return driver;
  };

  const lost: LostIn = async (name, driver) => {
    const telling = tellings.get(name) ?? createTelling(TELLING_MS);
    tellings.set(name, telling);
    const asked = informer.list().filter(({ spec }) => spec.importArchives === true);
    const found = await findArchives(driver.archives, options.archives());
    return telling(found, { now: options.clock.monotonic(), pools: asked.length });
  };

  return {
    name: CONTROLLERS.pools,
    kind: StoragePool,
    informer,
    writes: [],
    concurrency: 2,
    triggers: [afterUse(options)],
    reconcile: async ({ object, signal, log }) => ({
      outcome: await settlePool(options, { open, lost }, { object, signal, log }),
    }),
    gone: async (name) => {
      opened.delete(name);
      tellings.delete(name);
      pools.set(name, undefined);
      return done;
    },
  };
}

function afterUse({ pools, clock }: PoolControllerOptions): Trigger {
  return {
    subscribe: (enqueue) => {
      const timers = new Map<string, () => void>();
      const end = pools.used.listen((name) => {
        if (timers.has(name)) return;
        const cancel = clock.after(POOL_USED_MS, () => {
          timers.delete(name);
          enqueue(name);
        });
        timers.set(name, cancel);
      });
      return () => {
        end();
        for (const cancel of timers.values()) cancel();
      };
    },
  };
}

async function settlePool(
  options: PoolControllerOptions,
  { open, lost }: { open: OpenPool; lost: LostIn },
  pass: Pick<Pass<StoragePool>, 'object' | 'signal' | 'log'>,
): Promise<Outcome> {
  const { host, stateDirectory, poolPaths, files, pools } = options;
  const { metadata, spec } = pass.object;
  const { name } = metadata;
  if (spec.hosts !== undefined && !spec.hosts.includes(host)) {
    if (pools.get(name)?.type !== 'Elsewhere') pools.set(name, { type: 'Elsewhere' });
    return done;
  }
  const own = ownPoolsDirectory(stateDirectory);
  const path = (spec.directory ?? spec.btrfs)?.path ?? join(own, name);
  if (!(await isAllowedPath(files, path, [...poolPaths, own]))) {
    const message = `this host does not allow pools at ${path}: add it to poolPaths in its agent.yaml`;
    pools.set(name, { type: 'Broken', reason: 'PathNotAllowed', message });
    return stalled('PathNotAllowed', message);
  }
  try {
    const driver = await open({ type: spec.type, name, path }, spec.shared === true);
    const { facts, isSoon } = await lookAfter(driver, options, pass);
    const archives = spec.importArchives === true ? { archives: await lost(name, driver) } : {};
    pools.set(name, { type: 'Open', driver, facts, allowedNamespaces: spec.allowedNamespaces, ...archives });
    return waiting('Watching', 'fill and health are read again', isSoon ? TAKEN_POLL_MS : POOL_POLL_MS);
  } catch (error) {
    const outcome = outcomeOf(error, 'PoolUnusable');
    if (outcome.type === 'done') return outcome;
    const { reason, message } = outcome;
    pools.set(name, { type: 'Broken', reason, message });
    return outcome.type === 'stalled' ? waiting(reason, message, POOL_POLL_MS) : outcome;
  }
}

/** Its health, and what was taken from hosts: of that nothing is known while the API is away, and what was said stands. */
async function lookAfter(
  driver: PoolDriver,
  { upkeep, pools, bootID }: PoolControllerOptions,
  { object, signal, log }: Pick<Pass<StoragePool>, 'object' | 'signal' | 'log'>,
): Promise<{ facts: PoolFacts; isSoon: boolean }> {
  const facts = await driver.facts();
  if (driver.revocations === undefined) return { facts, isSoon: false };
  const { name } = object.metadata;
  try {
    const { own, isSoon } = await upkeep(name, driver.revocations, signal);
    return { facts: withoutWrites(facts, own, bootID), isSoon };
  } catch (error) {
    signal.throwIfAborted();
    log.warn('what was taken from hosts could not be looked after', { pool: name, message: String(error) });
    const before = pools.get(name);
    const isTaken = before?.type === 'Open' && before.facts.reason === STORAGE_REVOKED;
    const { healthy, reason, message } = isTaken ? before.facts : facts;
    const said = {
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    };
    return { facts: { ...facts, healthy, ...said }, isSoon: true };
  }
}
