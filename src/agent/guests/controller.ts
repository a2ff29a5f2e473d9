/** The controller of one kind of guest on one host: what it sees, what wakes it, and the three things that can be done about a guest. */
import { GUEST_FINALIZER } from '../../api/cluster.ts';
import { startedStamp } from '../../api/job.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { done, type Outcome, outcomeOf, waiting } from '../../base/outcome.ts';
import type { Informer, InformerOptions, Informers } from '../../client/contract.ts';
import type { GuestHandle } from '../../drivers/hypervisor/contract.ts';
import type { Controller, Pass, PassResult, Trigger } from '../../runtime/contract.ts';
import { dropAhead, endAhead } from './ahead.ts';
import { bringUp } from './bringUp.ts';
import { departGuest } from './depart.ts';
import { drivePower, STUCK_RECHECK_MS } from './drive.ts';
import { departDeps, removeDeps } from './farewell.ts';
import { gather, handleOf, identify } from './gather.ts';
import { anticipate } from './intake.ts';
import type { GuestKind, GuestObject } from './kind.ts';
import { moveStage } from './moving.ts';
import { removeGuest } from './remove.ts';
import { emptyMemory, type GuestMemory, type Scope } from './scope.ts';
import { GUEST_STATUS_PATHS, guestStatus } from './status.ts';
import { driveDeps, recordKind } from './wiring.ts';
import type { GuestWorld } from './world.ts';

/** Guests of one kind that are brought up at the same time. */
const CONCURRENCY = 16;

/** The informer of guests placed on this host, with the indexes its triggers use. */
export function guestInformer<T extends GuestObject, Request, Hardware>(
  informers: Informers,
  kind: GuestKind<T, Request, Hardware>,
  host: string,
): Informer<T> {
  const options: InformerOptions<T> = {
    fieldSelector: `status.placement.host=${host}`,
    indexes: {
      pool: (object) => kind.volumes(object.spec).map(({ pool }) => pool),
      image: (object) => kind.volumes(object.spec).flatMap(({ image }) => image ?? []),
    },
  };
  return informers.informer(kind.kind, options);
}

export function guestController<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  kind: GuestKind<T, Request, Hardware>,
  informer: Informer<T>,
): Controller<T> {
  const memories = new Map<string, GuestMemory>();
  let hasLooked = false;
  void world.looked.then(
    () => {
      hasLooked = true;
    },
    () => {},
  );
  const forget = (id: string): void => {
    const memory = memories.get(id);
    if (memory !== undefined) dropAhead(world, memory);
    memories.delete(id);
  };
  const memoryOf = (id: string): GuestMemory => {
    const memory = memories.get(id) ?? emptyMemory();
    memories.set(id, memory);
    return memory;
  };
  world.volumesChanged.listen((id) => memories.get(id)?.volumes.clear());
  /** One that was deleted once it was placed here arrives no more: what waits for it is removed with it. */
  const isMoving = ({ id }: GuestHandle, { metadata }: Stored<T>): boolean => {
    const stage = moveStage(world.records.get(id));
    return stage === 'HandingOver' || (stage === 'Arriving' && metadata.deletionTimestamp === undefined);
  };
  const movesOn = { outcome: waiting('Migrating', 'the guest is on its way from host to host') };
  const pass = async (
    given: Pass<T>,
    work: (scope: Scope<T, Request, Hardware>) => Promise<Outcome>,
  ): Promise<PassResult<T>> => {
    await world.looked;
    const handle = identify(world, kind, given.object);
    if (handle === undefined)
      return { outcome: waiting('ControlPlaneUnknown', 'the cluster is not known yet') };
    // It may stand still for this: its move has the turn, and speaks for it until it is at home.
    if (isMoving(handle, given.object)) {
      world.settled.tell(`${recordKind(kind)}/${given.key}`);
      return movesOn;
    }
    return world.turns.take(handle.id, async () =>
      isMoving(handle, given.object) ? movesOn : inTurn(handle, given, work),
    );
  };
  const inTurn = async (
    handle: GuestHandle,
    given: Pass<T>,
    work: (scope: Scope<T, Request, Hardware>) => Promise<Outcome>,
  ): Promise<PassResult<T>> => {
    const scope = await gather(world, kind, memoryOf, handle, given);
    const outcome = await work(scope)
      .catch((error: unknown) => {
        if (given.signal.aborted) throw error;
        return fail(scope, error);
      })
      .finally(() => endAhead(scope.memory));
    world.settled.tell(`${recordKind(kind)}/${scope.key}`);
    // Whose hand-over is asked for, or done, is its new host's to speak of.
    if (moveStage(scope.record) === 'Left') return { outcome };
    // A guest that is gone needs no last word: its object goes too.
    const isGone = given.object.metadata.deletionTimestamp !== undefined && outcome.type === 'done';
    return isGone ? { outcome } : { outcome, status: guestStatus(scope) as T['status'] };
  };

  return {
    name: kind.controller,
    kind: kind.kind,
    informer,
    writes: GUEST_STATUS_PATHS,
    finalizer: GUEST_FINALIZER,
    stamp: ({ metadata }) => startedStamp(metadata),
    anticipate: (given) => {
      const handle = identify(world, kind, given.object);
      if (handle === undefined || !hasLooked) return;
      const work = async () => anticipate(world, await gather(world, kind, memoryOf, handle, given));
      void world.turns.take(handle.id, work).catch((error: unknown) => {
        given.log.debug('nothing could begin before the guest was claimed', { error });
      });
    },
    concurrency: CONCURRENCY,
    triggers: [
      byIndex(informer, 'pool', world.pools.usability.listen),
      byIndex(informer, 'image', world.images.usability.listen),
      all(informer, world.controlPlane.changed.listen),
    ],
    reconcile: (given) => pass(given, (scope) => bringUp(world, scope)),
    remove: (given) =>
      pass(given, async (scope) => {
        const outcome = await remove(world, scope);
        if (outcome.type !== 'done' && scope.power.type !== 'Stopping') {
          scope.power = { type: 'Blocked', outcome };
        }
        if (outcome.type === 'done') forget(scope.handle.id);
        const isStuck = outcome.type === 'stalled' && scope.observation.state === 'Unmanageable';
        return isStuck ? waiting(outcome.reason, outcome.message, STUCK_RECHECK_MS) : outcome;
      }),
    gone: async (key, last, { signal }) => {
      const record = world.records.byKey(recordKind(kind), key);
      // Also of a guest whose record went with its move before this: on its next stay here it is plugged in anew.
      const id = record?.id ?? identify(world, kind, last)?.id;
      // In its turn: what was begun before the guest was claimed has begun by then.
      if (id !== undefined) await world.turns.take(id, async () => forget(id));
      if (record === undefined) return done;
      const handle = handleOf(world.stateDirectory, record);
      const outcome = await world.turns.take(record.id, () =>
        departGuest(departDeps(world, kind, record, signal), world.records.get(record.id) ?? record, handle),
      );
      world.settled.tell(`${recordKind(kind)}/${key}`);
      return outcome;
    },
  };
}

/** An error nobody foresaw is shown as the step that was under way. */
function fail<T extends GuestObject, Request, Hardware>(
  scope: Scope<T, Request, Hardware>,
  error: unknown,
): Outcome {
  const outcome = outcomeOf(error);
  if (outcome.type !== 'done') scope.power = { type: 'Blocked', outcome };
  return outcome;
}

/** A deleted guest is stopped as a halted one is, and force follows whatever its shutdown says. */
function remove<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<Outcome> {
  const deps = driveDeps(world, scope);
  const stop = () =>
    drivePower(
      {
        ...deps,
        strategy: 'Halted',
        shutdown: { ...deps.shutdown, force: 'AfterTimeout' },
        blocked: () => done,
        prepare: async () => {},
      },
      scope,
    );
  return removeGuest(removeDeps(world, scope, stop), scope);
}

/** Wakes the guests that name what was announced. */
function byIndex<T extends GuestObject>(
  informer: Informer<T>,
  index: string,
  listen: (listener: (name: string) => void) => () => void,
): Trigger {
  return {
    subscribe: (enqueue) =>
      listen((name) => {
        for (const { metadata } of informer.byIndex(index, name)) enqueue(keyOf(metadata));
      }),
  };
}

/** Wakes all guests of this host: the control plane came or went, which is rare. */
function all<T extends GuestObject>(
  informer: Informer<T>,
  listen: (listener: () => void) => () => void,
): Trigger {
  return {
    subscribe: (enqueue) =>
      listen(() => {
        for (const { metadata } of informer.list()) enqueue(keyOf(metadata));
      }),
  };
}
