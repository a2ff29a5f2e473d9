/** Puts the controllers of the agent together: their informers, what they share, and the events of the drivers that wake them. */

import { Backup } from '../api/kinds/backup.ts';
import { Image } from '../api/kinds/image.ts';
import { Operation } from '../api/kinds/operation.ts';
import { Restore } from '../api/kinds/restore.ts';
import { Rollback } from '../api/kinds/rollback.ts';
import { Snapshot } from '../api/kinds/snapshot.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import { keyOf } from '../api/meta.ts';
import type { Informer } from '../client/contract.ts';
import { createAnnouncement } from './announcement.ts';
import { answerArchive } from './archives/answer.ts';
import { backupController } from './backups/controller.ts';
import { archiveNameOf } from './backups/world.ts';
import type { ControlPlane } from './cluster/controlPlane.ts';
import { createElsewhere } from './cluster/elsewhere.ts';
import { firstLook } from './firstLook.ts';
import { connectGuarding } from './guarded.ts';
import type { Guarding } from './guarding.ts';
import { containerKind } from './guests/container.ts';
import { guestController, guestInformer } from './guests/controller.ts';
import { departGuest } from './guests/depart.ts';
import { departDeps } from './guests/farewell.ts';
import { handleOf } from './guests/gather.ts';
import { machineKind } from './guests/machine.ts';
import type { GuestWorld } from './guests/world.ts';
import type { Ending } from './host/ending.ts';
import type { HostFacts } from './host/facts.ts';
import type { HostLease } from './host/lease.ts';
import type { Presence } from './host/presence.ts';
import type { HostReporter } from './host/report.ts';
import type { Stock } from './host/stock.ts';
import { addHostControllers } from './hostControllers.ts';
import type { IdBlock, IdRanges } from './idRanges.ts';
import type { ImageTable } from './images/table.ts';
import { createJobs } from './jobs/beside.ts';
import { jobInformer } from './jobs/guest.ts';
import type { LeavingGuests } from './leaving.ts';
import { createMover } from './migration/mover.ts';
import { createMoves } from './migration/moves.ts';
import { operationController } from './operations/controller.ts';
import type { AgentOptions } from './options.ts';
import { type Answerer, answerPeer } from './peers/answer.ts';
import { noPeers } from './peers/peers.ts';
import type { PoolTable } from './pools/table.ts';
import type { GuestPrograms } from './programs.ts';
import type { GuestRecord } from './record.ts';
import type { Records } from './records.ts';
import { restoreController } from './restores/controller.ts';
import { rollbackController } from './rollbacks/controller.ts';
import { snapshotController } from './snapshots/controller.ts';
import { isHolder, releaseInterrupted, settleLock } from './snapshots/locks.ts';
import { lookAfterThaws } from './snapshots/thaws.ts';
import { createHands, type SnapshotWorld } from './snapshots/world.ts';
import { lookAfterStrays } from './strays.ts';
import { createTurns } from './turns.ts';
import { verifyController, verifyInformer } from './verifies/controller.ts';

/** What the controllers are made from. */
export type Parts = AgentOptions & {
  records: Records;
  controlPlane: ControlPlane;
  presence: Presence;
  stock: Stock;
  pools: PoolTable;
  images: ImageTable;
  lease: HostLease;
  reporter: HostReporter;
  ending: Ending;
  facts: HostFacts;
  idRanges: IdRanges;
  signal: AbortSignal;
};

export type Connected = {
  guarding: Guarding;
  /** Before anything else: ends what an earlier agent began with volumes. */
  begin(): Promise<void>;
  guests: LeavingGuests;
  /** Resolves when each record without an object is settled; `onFirstRound` is called when each was looked at once. */
  lookAfterStrays(signal: AbortSignal, onFirstRound: () => void): Promise<void>;
  /** Stops long work and listening. */
  close(): Promise<void>;
};

/** Adds all controllers to the manager; they run with it. */
export function connectControllers(parts: Parts): Connected {
  const { manager, drivers, host, records, version } = parts;
  const machines = machineKind(drivers.machines);
  const containers = containerKind(drivers.containers);
  const machineInformer = guestInformer(manager.informers, machines, host);
  const containerInformer = guestInformer(manager.informers, containers, host);
  const pools = manager.informers.informer(StoragePool);
  const looked = firstLook({
    clock: parts.world.clock,
    synced: pools.synced(parts.signal),
    changed: [parts.controlPlane.changed, parts.pools.changed],
    isComplete: () =>
      parts.controlPlane.trust().type !== 'Unknown' &&
      pools.list().every(({ metadata }) => parts.pools.get(metadata.name) !== undefined),
  });
  const backups = jobInformer(manager.informers, Backup, host);
  const objectOf = (record: GuestRecord) =>
    (record.kind === 'Container' ? containerInformer : machineInformer).get(keyOf(record));
  const { guarding, programs } = connectGuarding(parts, objectOf);
  const world = guestWorld(parts, { guarding, programs }, looked, backups);
  const builds = addHostControllers(parts, world);

  manager.add(guestController(world, machines, machineInformer));
  manager.add(guestController(world, containers, containerInformer));
  const informerOf = (kind: string) => (kind === 'Container' ? containerInformer : machineInformer);
  const controllerOf = (kind: string) => (kind === 'Container' ? containers : machines).controller;
  manager.add(
    operationController({
      informer: jobInformer(manager.informers, Operation, host),
      records,
      settled: world.settled,
      guest: (kind, key) => informerOf(kind).get(key),
      observe: (record) => {
        const handle = handleOf(parts.stateDirectory, record);
        return record.kind === 'Container'
          ? drivers.containers.observe(handle)
          : drivers.machines.observe(handle);
      },
      wakeGuest: (kind, key) => manager.enqueue(controllerOf(kind), key),
    }),
  );

  const snapshots = jobInformer(manager.informers, Snapshot, host);
  const rollbacks = jobInformer(manager.informers, Rollback, host);
  const restores = jobInformer(manager.informers, Restore, host);
  const handsOfMachines = createHands(world, machines, machineInformer);
  const handsOfContainers = createHands(world, containers, containerInformer);
  const keeping: SnapshotWorld = {
    guests: world,
    snapshots,
    hands: (kind) => (kind === 'Container' ? handsOfContainers : handsOfMachines),
  };
  manager.add(snapshotController(keeping));
  manager.add(rollbackController(keeping, rollbacks));
  const verifies = verifyInformer(manager.informers, host);
  manager.add(backupController({ ...keeping, backups, verifies, working: new Map(), version }));
  manager.add(verifyController({ guests: world, backups }, verifies));
  manager.add(restoreController(keeping, restores));
  const jobsOf = { Snapshot: snapshots, Rollback: rollbacks, Backup: backups, Restore: restores };
  const isAttended = ({ lock }: GuestRecord) =>
    lock === undefined || isHolder(jobsOf[lock.by.kind].get(keyOf(lock.by)), lock, host);

  /** A guest whose process has changed is looked at again; ids without a record are nobody's. */
  const wake = (id: string) => {
    const record = records.get(id);
    if (record === undefined) return;
    manager.enqueue(controllerOf(record.kind), keyOf(record));
    moves.wake(record);
  };
  const moves = createMoves(
    {
      guests: world,
      files: parts.world.files,
      peers: world.peers,
      writeOutShared: parts.drivers.writeOutShared,
      mover: (() => {
        const ofMachines = createMover(world, machines, machineInformer);
        const ofContainers = createMover(world, containers, containerInformer);
        return (kind) => (kind === 'Container' ? ofContainers : ofMachines);
      })(),
    },
    manager.informers,
  );
  const answerers: Record<string, Answerer> = {
    migration: moves.answer,
    archive: (...asked) => answerArchive(keeping, ...asked),
  };
  world.peers.serve((peer, stream) => void answerPeer(answerers, peer, stream, parts.signal));
  for (const controller of moves.controllers) manager.add(controller);
  const ends = [drivers.machines.watch(wake), drivers.containers.watch(wake)];

  return {
    guarding,
    begin: programs.begin,
    guests: {
      object: objectOf,
      wake: (record) => manager.enqueue(controllerOf(record.kind), keyOf(record)),
      turns: world.turns,
      jobs: world.jobs,
    },
    lookAfterStrays: async (signal, onFirstRound) => {
      await releaseInterrupted(keeping);
      await Promise.all([machineInformer.synced(signal), containerInformer.synced(signal)]);
      const find = () =>
        records.all().filter((record) => informerOf(record.kind).get(keyOf(record)) === undefined);
      const depart = (record: GuestRecord, until: AbortSignal) => {
        const handle = handleOf(parts.stateDirectory, record);
        return record.kind === 'Container'
          ? departGuest(departDeps(world, containers, record, until), record, handle)
          : departGuest(departDeps(world, machines, record, until), record, handle);
      };
      await Promise.all([
        moves.synced(signal),
        snapshots.synced(signal),
        rollbacks.synced(signal),
        backups.synced(signal),
        restores.synced(signal),
      ]);
      await Promise.all([
        lookAfterThaws(keeping, signal),
        lookAfterStrays({ world: parts.world, find, depart, onFirstRound }, signal),
        lookAfterStrays(
          { world: parts.world, find: moves.unattended, depart: moves.settle, onFirstRound: () => {} },
          signal,
        ),
        lookAfterStrays(
          {
            world: parts.world,
            find: () => records.all().filter((record) => !isAttended(record)),
            depart: (record, until) => settleLock(keeping, record, until),
            onFirstRound: () => {},
          },
          signal,
        ),
      ]);
    },
    close: async () => {
      for (const end of ends) end();
      await Promise.all([builds.close(), world.jobs.close(), parts.peers?.close()]);
    },
  };
}

function guestWorld(
  parts: Parts,
  { guarding, programs }: { guarding: Guarding; programs: GuestPrograms },
  looked: Promise<void>,
  backups: Informer<Backup>,
): GuestWorld {
  const { manager, drivers, world, stock, reporter } = parts;
  return {
    host: parts.host,
    stateDirectory: parts.stateDirectory,
    world,
    client: parts.client,
    config: parts.config,
    records: parts.records,
    controlPlane: parts.controlPlane,
    elsewhere: createElsewhere({
      host: parts.host,
      client: parts.client,
      now: () => world.clock.monotonic(),
    }),
    lease: parts.lease,
    ending: parts.ending,
    guarding,
    inventory: { lists: reporter.lists, publish: reporter.publish },
    presence: parts.presence,
    pools: parts.pools,
    images: parts.images,
    poolInformer: manager.informers.informer(StoragePool),
    imageInformer: manager.informers.informer(Image, {
      indexes: { pool: (image) => [image.spec.pool] },
    }),
    backup: (key) => backups.get(key),
    archives: () => new Set(backups.list().map(archiveNameOf)),
    peers: parts.peers ?? noPeers,
    network: drivers.network,
    idRanges: parts.idRanges,
    grantIds: grantOnce(drivers, parts.idRanges.block),
    jobs: createJobs(world.clock),
    turns: createTurns(programs.workFor),
    workFor: programs.workFor,
    looked,
    hypervisorFacts: (kind) => (kind === 'Container' ? stock.containers() : stock.machines()),
    enqueue: (controller, key) => manager.enqueue(controller, key),
    volumesChanged: createAnnouncement<string>(),
    settled: createAnnouncement<string>(),
  };
}

/** Grants the agent's block of ids at the first container; again only after a failure. */
function grantOnce(
  { ensureIdRange }: AgentOptions['drivers'],
  { base, count }: IdBlock,
): () => Promise<void> {
  let granted: Promise<void> | undefined;
  return async () => {
    granted ??= ensureIdRange?.(base, count) ?? Promise.resolve();
    try {
      await granted;
    } catch (error) {
      granted = undefined;
      throw error;
    }
  };
}
