/** How a guest is taken in: admitted, then written down on disk and in the Host's inventory, before anything of it may be seen here. */
import { type Outcome, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import { HOST_GUEST_LIMIT } from '../host/inventory.ts';
import { admitGuest, isEpochBehind } from './admit.ts';
import { beginAhead, idBaseFor, workAhead } from './ahead.ts';
import type { GuestObject } from './kind.ts';
import { nextRecord } from './remember.ts';
import { type GuestScope, type Scope, stateOf } from './scope.ts';
import { recordKind } from './wiring.ts';
import type { GuestWorld } from './world.ts';

/** A lease is renewed every few seconds. */
const LEASE_RECHECK_MS = 2_000;

/** Whether this host may do anything for the guest now. */
export function admit(world: GuestWorld, { object, record, observation, handle, host }: GuestScope): Outcome {
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
}

/** On disk and in the Host's inventory: only after both may anything of the guest be made. */
export async function remember<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  const { kind, object, handle, namespace, memory, volumePlans, nicWishes } = scope;
  const known = world.records.get(handle.id);
  const idBase = idBaseFor(world, scope);
  const recorded = world.records.update(handle.id, (before) =>
    nextRecord(before, {
      kind: recordKind(kind),
      namespace,
      name: object.metadata.name,
      uid: object.metadata.uid,
      uuid: handle.uuid,
      id: handle.id,
      epoch: object.status?.placement?.epoch ?? 0,
      idBase,
      volumes: volumePlans,
      nics: nicWishes,
    }),
  );
  // The inventory lists what is being written: both take the time of one.
  const early = known === undefined ? publish(world, scope.signal) : undefined;
  early?.catch(() => undefined);
  const listed = recorded.then(async (record) => {
    scope.record = record;
    delete memory.idBase;
    world.presence.setOrphan(handle.id, undefined);
    await early;
    if (!world.inventory.lists(handle.uuid)) await publish(world, scope.signal);
  });
  if (known === undefined) workAhead(world, scope, listed);
  await listed;
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
