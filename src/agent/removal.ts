/**
 * Removes everything the agent of one state directory has made on this host, for `vireo down`: by the records and by looking, with no API
 * server. Volumes of pools outside the state directory are the user's and stay. May be repeated until nothing is left.
 */
import { join } from 'node:path';
import type { World } from '../base/world.ts';
import type { GuestHandle, GuestObservation } from '../drivers/hypervisor/contract.ts';
import { handleOf } from './guests/gather.ts';
import { ID_BLOCK_FILE, rememberedIdBlock } from './idRanges.ts';
import type { AgentDrivers } from './options.ts';
import { ownPoolsDirectory } from './pools/controller.ts';
import type { GuestRecord } from './record.ts';
import { guestsDirectory, openRecords, type Records } from './records.ts';

export type Removal = {
  /** Guests that are gone. */
  guests: number;
  /** What could not be removed, and why; empty when nothing is left. */
  problems: string[];
};

export type RemovalOptions = {
  /** Absolute. */
  stateDirectory: string;
  drivers: AgentDrivers;
  world: Pick<World, 'files' | 'log'>;
};

/** The part of a hypervisor driver that ends guests, whatever its kind. */
type Ender = {
  observe(guest: GuestHandle): Promise<GuestObservation>;
  kill(guest: GuestHandle): Promise<void>;
  remove(guest: GuestHandle): Promise<void>;
  discover(): Promise<string[]>;
};

export async function removeEverything(options: RemovalOptions): Promise<Removal> {
  const { stateDirectory, drivers, world } = options;
  const records = await openRecords(world.files, stateDirectory);
  const problems: string[] = [];
  let guests = 0;
  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      problems.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  };

  for (const record of records.all()) {
    const removed = await attempt(`${record.kind} ${record.namespace}/${record.name}`, () =>
      removeRecorded(options, records, record),
    );
    if (removed) guests += 1;
  }
  for (const driver of [drivers.machines, drivers.containers]) {
    guests += await removeUnrecorded(driver, stateDirectory, records, attempt);
  }
  if (problems.length > 0) return { guests, problems };
  await attempt('the networks', () => drivers.network.teardown());
  const block = await rememberedIdBlock(world.files, stateDirectory);
  if (block !== undefined)
    await attempt('the ids', async () => drivers.removeIdRange?.(block.base, block.count));
  for (const directory of [guestsDirectory(stateDirectory), ownPoolsDirectory(stateDirectory)]) {
    await attempt(directory, () => world.files.removeTree(directory));
  }
  for (const name of ['cluster.json', ID_BLOCK_FILE]) {
    await attempt(name, () => world.files.remove(join(stateDirectory, name)));
  }
  return { guests, problems };
}

/** The record goes last: until then a repetition finds the guest again. */
async function removeRecorded(
  { stateDirectory, drivers }: RemovalOptions,
  records: Records,
  record: GuestRecord,
): Promise<void> {
  const driver: Ender = record.kind === 'Container' ? drivers.containers : drivers.machines;
  const handle = handleOf(stateDirectory, record);
  await end(driver, handle);
  for (const { name } of record.nics) await drivers.network.detach(record.id, name);
  await records.remove(record.id);
}

async function end(driver: Ender, handle: GuestHandle): Promise<void> {
  const { state } = await driver.observe(handle);
  if (state !== 'Off') await driver.kill(handle);
  await driver.remove(handle);
}

/** Processes in this agent's own control groups that no record speaks of: left behind by a lost record. */
async function removeUnrecorded(
  driver: Ender,
  stateDirectory: string,
  records: Records,
  attempt: (what: string, work: () => Promise<void>) => Promise<boolean>,
): Promise<number> {
  let removed = 0;
  const ids = (await driver.discover().catch(() => [])).filter((id) => records.get(id) === undefined);
  for (const id of ids) {
    const handle = handleOf(stateDirectory, { id, uuid: '', namespace: 'unrecorded', name: id });
    const done = await attempt(`the unrecorded guest ${id}`, async () => {
      await driver.kill(handle);
      await driver.remove(handle);
    });
    if (done) removed += 1;
  }
  return removed;
}
