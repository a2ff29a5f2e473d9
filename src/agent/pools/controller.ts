/**
 * Opens the StoragePools that are for this host and watches over their health and fill. It writes nothing to the StoragePool: what it
 * finds goes into the Host's status.
 */
import { join } from 'node:path';
import { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import type { Files } from '../../base/files.ts';
import { done, type Outcome, outcomeOf, stalled, waiting } from '../../base/outcome.ts';
import type { Client, Informer } from '../../client/contract.ts';
import type { StoragePool as PoolDriver } from '../../drivers/storage/contract.ts';
import type { Controller, Trigger } from '../../runtime/contract.ts';
import { CONTROLLERS } from '../access.ts';
import { isAllowedPath } from '../allowlist.ts';
import { findArchives } from './archives.ts';
import { readBackupKey } from './backupKey.ts';
import type { PoolTable } from './table.ts';

/** How often fill and health are read. */
export const POOL_POLL_MS = 60_000;
/** After volumes were made or removed they are read this much later, once for all of a burst. */
export const POOL_USED_MS = 3_000;

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
  clock: Pick<Clock, 'after'>;
  client: Pick<Client, 'find'>;
  informer: Informer<StoragePool>;
  pools: PoolTable;
  /** Names of the archives that Backups of this host stand for. */
  archives(): ReadonlySet<string>;
  openPool(pool: PoolPlace): Promise<PoolDriver>;
};

type OpenPool = (place: Omit<PoolPlace, 'sharedBy' | 'backupKey'>, shared: boolean) => Promise<PoolDriver>;

/** Directory of pools without a path of their own. */
export function ownPoolsDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'pools');
}

/** The controller of pools on one host. */
export function poolController(options: PoolControllerOptions): Controller<StoragePool> {
  const { informer, pools } = options;
  const opened = new Map<string, { path: string; shared: boolean; driver: PoolDriver }>();

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

  return {
    name: CONTROLLERS.pools,
    kind: StoragePool,
    informer,
    writes: [],
    concurrency: 2,
    triggers: [afterUse(options)],
    reconcile: async ({ object }) => ({ outcome: await settlePool(options, open, object) }),
    gone: async (name) => {
      opened.delete(name);
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
  { host, stateDirectory, poolPaths, files, pools, archives: known }: PoolControllerOptions,
  open: OpenPool,
  { metadata: { name }, spec }: Stored<StoragePool>,
): Promise<Outcome> {
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
    const facts = await driver.facts();
    const archives =
      spec.importArchives === true ? { archives: await findArchives(driver.archives, known()) } : {};
    pools.set(name, { type: 'Open', driver, facts, allowedNamespaces: spec.allowedNamespaces, ...archives });
    return waiting('Watching', 'fill and health are read again', POOL_POLL_MS);
  } catch (error) {
    const outcome = outcomeOf(error, 'PoolUnusable');
    if (outcome.type === 'done') return outcome;
    const { reason, message } = outcome;
    pools.set(name, { type: 'Broken', reason, message });
    return outcome.type === 'stalled' ? waiting(reason, message, POOL_POLL_MS) : outcome;
  }
}
