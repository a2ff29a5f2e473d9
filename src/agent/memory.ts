/** What an agent knows before it acts: read from its disk, from the machine and from the drivers; and the Host's status out of it. */

import type { Host, HostStatus } from '../api/kinds/host.ts';
import type { Stored } from '../api/meta.ts';
import { type ControlPlane, openControlPlane } from './cluster/controlPlane.ts';
import type { HostFacts } from './host/facts.ts';
import { inventoryOf } from './host/inventory.ts';
import type { Loads } from './host/loads.ts';
import { createPresence, type Presence } from './host/presence.ts';
import { type HostView, hostStatus } from './host/status.ts';
import { createStock, type Stock } from './host/stock.ts';
import { createImageTable, type ImageTable } from './images/table.ts';
import type { AgentOptions } from './options.ts';
import { createPoolTable, type PoolTable } from './pools/table.ts';
import { openRecords, type Records } from './records.ts';

/** All of it; the parts announce their changes. */
export type Memory = {
  records: Records;
  controlPlane: ControlPlane;
  facts: HostFacts;
  presence: Presence;
  stock: Stock;
  pools: PoolTable;
  images: ImageTable;
};

/** Throws ReasonedError when the memory on disk cannot be read. */
export async function remember({ world, stateDirectory, drivers, hostFacts }: AgentOptions): Promise<Memory> {
  const { clock, log, files } = world;
  await files.makeDirectory(stateDirectory, { mode: 0o711 });
  const stock = createStock({ clock, log, ...drivers });
  const presence = createPresence();
  const [records, controlPlane, facts, running] = await Promise.all([
    openRecords(files, stateDirectory),
    openControlPlane(files, stateDirectory),
    hostFacts(),
    Promise.all([drivers.machines.discover(), drivers.containers.discover()]),
    stock.take(),
  ]);
  for (const id of running.flat()) {
    presence.setRunning(id, true);
    // A process without a record is shown and left alone: whoever made it, it is not understood.
    if (records.get(id) === undefined) presence.setOrphan(id, `the unrecorded guest ${id}`);
  }
  for (const id of records.broken()) presence.setOrphan(id, `the guest ${id} with an unreadable record`);
  return {
    records,
    controlPlane,
    facts,
    presence,
    stock,
    pools: createPoolTable(),
    images: createImageTable(),
  };
}

/** What the Host is told now. */
export function describeHost(
  { config, version, drivers, world, witness = false }: AgentOptions,
  { records, controlPlane, facts, presence, stock, pools, images }: Memory,
  {
    loadOf,
    ...stage
  }: Pick<HostView, 'started' | 'beginning' | 'keeper' | 'shutdown' | 'peers'> & {
    loadOf: Loads['of'];
  },
  { status = {}, metadata }: Stored<Host>,
): HostStatus {
  return hostStatus(status, {
    facts,
    version,
    config,
    witness,
    ...stage,
    machines: stock.machines(),
    containers: stock.containers(),
    network: stock.network(),
    simulated: drivers.machines.name.startsWith('simulated'),
    pools: pools.all(),
    images: images.all(),
    guests: inventoryOf([...records.all(), ...records.coming()], presence.isRunning, loadOf),
    orphans: presence.orphans(),
    trust: controlPlane.trust(),
    incarnation: controlPlane.highest(),
    generation: metadata.generation,
    now: world.clock.now(),
  });
}
