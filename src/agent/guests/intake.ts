/** How a guest is taken in: admitted, then written down on disk and in the Host's inventory, before anything of it may be seen here. */
import { type Outcome, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import { HOST_GUEST_LIMIT } from '../host/inventory.ts';
import { admitGuest, isEpochBehind } from './admit.ts';
import { beginAhead, idBaseFor, workAhead } from './ahead.ts';
import type { GuestObject } from './kind.ts';
import { nextRecord, type RecordFacts } from './remember.ts';
import { findRetained } from './retained.ts';
import { type GuestScope, type Scope, stateOf } from './scope.ts';
import { recordKind, volumeDeps } from './wiring.ts';
import type { GuestWorld } from './world.ts';

/** A lease is renewed every few seconds. */
const LEASE_RECHECK_MS = 2_000;

/** Whether this host may do anything for the guest now. */
export function admit(world: GuestWorld, scope: GuestScope): Outcome {
  const { object, record, observation, handle, host, elsewhere } = scope;
  const { uid, annotations = {} } = object.metadata;
  const placement = object.status?.placement;
  world.controlPlane.reportEpoch(handle.id, isEpochBehind(record, uid, placement));
  if (record === undefined && world.records.count() >= HOST_GUEST_LIMIT) {
    return stalled('HostFull', `this host has records of ${HOST_GUEST_LIMIT} guests, the most it can report`);
  }
  if (!world.inventory.lists(handle.uuid) && !world.lease.isValid()) {
    const message = "this host's lease is not valid: the guest is taken in when it has been renewed";
    return waiting('LeaseNotHeld', message, LEASE_RECHECK_MS);
  }
  return admitGuest({
    host,
    uid,
    annotations,
    placement,
    record,
    left: world.records.left(handle.id),
    recordBroken: world.records.broken().has(handle.id),
    mayRun: observation.state !== 'Off',
    trust: world.controlPlane.trust(),
    elsewhere,
  });
}

/** What can begin while its object is still being claimed; the pass that follows decides about it. */
export async function anticipate<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  if (scope.record !== undefined || scope.memory.ahead !== undefined) return;
  scope.admission = stateOf(admit(world, scope));
  await beginAhead(world, scope);
  if (scope.memory.ahead !== undefined) announce(world, scope);
}

/** The inventory lists already what is written down once its object is claimed: to claim and to list take the time of one. */
function announce<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): void {
  const record = nextRecord(undefined, recordFacts(world, scope));
  const forget = world.records.expect(record);
  const listed = publish(world, scope.signal);
  // Told to the pass that waits for it, if there is one.
  listed.catch(() => undefined);
  scope.memory.announced = { record, observation: scope.observation, listed, forget };
}

/** On disk and in the Host's inventory: only after both may anything of the guest be made. */
export async function remember<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  const { handle, memory } = scope;
  const known = world.records.get(handle.id);
  const facts = recordFacts(world, scope);
  const recorded = world.records.update(handle.id, (before) => nextRecord(before, facts));
  // The inventory lists what is being written: both take the time of one.
  const early = known === undefined ? listing(world, scope, facts) : undefined;
  early?.catch(() => undefined);
  const retained = known === undefined ? findRetained(volumeDeps(world, scope), scope) : undefined;
  const listed = recorded.then(async (record) => {
    scope.record = record;
    delete memory.idBase;
    world.presence.setOrphan(handle.id, undefined);
    await early;
    (await retained)?.();
    if (!world.inventory.lists(handle.uuid)) await publish(world, scope.signal);
  });
  if (known === undefined) workAhead(world, scope, listed);
  await listed;
}

/** Under way since the guest was announced, if as what it is written down now. */
function listing(world: GuestWorld, { memory, signal }: GuestScope, facts: RecordFacts): Promise<void> {
  const { announced } = memory;
  const isSame = announced?.record.uid === facts.uid && announced.record.epoch === facts.epoch;
  return isSame ? announced.listed : publish(world, signal);
}

function recordFacts<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): RecordFacts {
  const { kind, object, handle, namespace, volumePlans, nicWishes } = scope;
  return {
    kind: recordKind(kind),
    namespace,
    name: object.metadata.name,
    uid: object.metadata.uid,
    uuid: handle.uuid,
    id: handle.id,
    epoch: object.status?.placement?.epoch ?? 0,
    idBase: idBaseFor(world, scope),
    takenAfter: scope.takenAfter,
    volumes: volumePlans,
    nics: nicWishes,
  };
}

/** An inventory that cannot be written must not keep the places of guests that need none. */
const PUBLISH_TIMEOUT_MS = 10_000;

async function publish({ inventory, world: { clock } }: GuestWorld, given: AbortSignal): Promise<void> {
  const limit = new AbortController();
  const message = "the guest is not in the Host's inventory yet: the API server does not take it";
  const cancel = clock.after(PUBLISH_TIMEOUT_MS, () =>
    limit.abort(new ReasonedError('InventoryNotWritten', message)),
  );
  try {
    await inventory.publish(AbortSignal.any([given, limit.signal]));
  } finally {
    cancel();
  }
}
