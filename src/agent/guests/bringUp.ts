/** The steps of a guest in their order: admitted, recorded and listed, then volumes and networks together, changes, power, addresses. */
import { done, type Outcome, ReasonedError, stalled, waiting } from '../../base/outcome.ts';
import { HOST_GUEST_LIMIT } from '../host/inventory.ts';
import { learnAddresses } from './addresses.ts';
import { admitGuest, checkAllowList, isEpochBehind } from './admit.ts';
import { applyChanges } from './changes.ts';
import { block, drivePower } from './drive.ts';
import type { GuestObject } from './kind.ts';
import { isHeldOff } from './locks.ts';
import { isStoppedForMaintenance } from './maintenance.ts';
import { moveStage } from './moving.ts';
import { attachNetworks } from './networks.ts';
import { wantedPower } from './power.ts';
import { checkReferences } from './references.ts';
import { nextRecord } from './remember.ts';
import { type GuestScope, type Scope, stateOf } from './scope.ts';
import { beginVolumes, claimVolumes } from './volumes.ts';
import { driveDeps, networkDeps, recordKind, referenceFacts, volumeDeps } from './wiring.ts';
import type { GuestWorld } from './world.ts';

/** One pass over a guest that is to be here. */
export async function bringUp<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<Outcome> {
  const admission = admit(world, scope);
  scope.admission = stateOf(admission);
  if (admission.type !== 'done') return admission;
  await remember(world, scope);
  const stage = moveStage(scope.record);
  if (isHeldOff(scope.record))
    return holdOff(
      world,
      scope,
      waiting('RollingBack', 'the guest is off while it is rolled back', MOVE_RECHECK_MS),
    );
  if (stage === 'HeldOff')
    return holdOff(
      world,
      scope,
      waiting('Migrating', 'the guest is off while it moves to another host', MOVE_RECHECK_MS),
    );
  if (stage !== 'Home') return watchMove(world, scope);
  // A guest that is off needs its volumes and interfaces only when it is to be started.
  const isOn = scope.observation.state === 'Running' || scope.observation.state === 'Paused';
  if (isOn) await prepare(world, scope);
  if (isSteady(scope)) scope.changes = stateOf(await applyChanges(scope));
  const deps = { ...driveDeps(world, scope), prepare: () => prepare(world, scope) };
  const powered = await drivePower(deps, scope);
  const recheckMs = await learnAddresses({ network: world.network, random: world.world.random }, scope);
  const asked = recheckMs === undefined ? done : waiting('AddressesUnknown', '', recheckMs);
  return mostUrgent([...blockages(scope), powered, asked]);
}

/** Stopped as a halted guest is, with what was asked of it kept for after that. */
async function holdOff<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
  why: Outcome,
): Promise<Outcome> {
  const deps = driveDeps(world, scope);
  const off = await drivePower({ ...deps, held: true, blocked: () => done, prepare: async () => {} }, scope);
  if (scope.observation.state !== 'Off') return off;
  return block(scope, why);
}

/** Its migration acts; it wakes this guest when it is over. */
const MOVE_RECHECK_MS = 60_000;

/** It is on its way: only looked at. */
async function watchMove(world: GuestWorld, scope: GuestScope): Promise<Outcome> {
  const { state } = scope.observation;
  if (state === 'Running' || state === 'Paused') {
    scope.power = { type: 'Resting' };
    await learnAddresses({ network: world.network, random: world.world.random }, scope);
    return done;
  }
  return block(scope, waiting('Migrating', 'the guest is moving between hosts', MOVE_RECHECK_MS));
}

/** A lease is renewed every few seconds. */
const LEASE_RECHECK_MS = 2_000;

function admit(world: GuestWorld, { object, record, observation, handle, host }: GuestScope): Outcome {
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

/** On disk and in the Host's inventory: only after both may anything of the guest be made. */
async function remember<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  const { kind, object, handle, namespace, volumePlans, nicWishes } = scope;
  const known = world.records.get(handle.id);
  const needsRange = kind.needsIdRange(object.spec) && known?.idBase === undefined;
  const idBase = needsRange ? world.idRanges.take() : known?.idBase;
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
    world.presence.setOrphan(handle.id, undefined);
    await early;
    if (!world.inventory.lists(handle.uuid)) await publish(world, scope.signal);
  });
  // Whatever stands in its way is met again, and told, when the volumes are claimed.
  if (known === undefined && startsNow(scope))
    void workAhead(world, scope, { idBase, known: listed }).catch(() => {});
  await listed;
}

/** A guest that is new here and is to run: nobody has to ask whether its volumes will be needed. */
function startsNow(scope: GuestScope): boolean {
  const { object, observation, admission } = scope;
  const wanted = wantedPower(object.spec.runStrategy ?? 'Always', {});
  if (isStoppedForMaintenance(scope)) return false;
  return wanted === 'On' && observation.state === 'Off' && admission.type === 'Ready';
}

/** Begins with the volumes while the guest is being written down. */
async function workAhead<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
  options: Parameters<typeof beginVolumes>[2],
): Promise<void> {
  const privileged = scope.kind.isPrivileged(scope.object.spec);
  if (checkAllowList(world.config, { privileged, nics: scope.nicWishes }).type !== 'done') return;
  const references = await checkReferences(referenceFacts(world, scope), scope.volumePlans);
  if (references.type === 'done') beginVolumes(volumeDeps(world, scope), scope, options);
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

/** What stands in the way is kept in the scope: a guest that runs is looked after all the same. */
async function prepare<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  if (scope.volumes.type === 'Ready' && scope.networks.type === 'Ready') return;
  const privileged = scope.kind.isPrivileged(scope.object.spec);
  scope.admission = stateOf(checkAllowList(world.config, { privileged, nics: scope.nicWishes }));
  if (scope.admission.type === 'Blocked') return;
  const references = await checkReferences(referenceFacts(world, scope), scope.volumePlans);
  if (references.type !== 'done') {
    scope.volumes = stateOf(references);
    return;
  }
  const [volumes, networks] = await Promise.all([
    claimVolumes(volumeDeps(world, scope), scope),
    attachNetworks(networkDeps(world, scope), scope),
  ]);
  scope.volumes = stateOf(volumes);
  scope.networks = stateOf(networks);
}

/** Running with everything it needs, and not on its way to a stop. */
function isSteady({ observation, volumes, networks, record }: GuestScope): boolean {
  const isOn = observation.state === 'Running' || observation.state === 'Paused';
  return isOn && volumes.type === 'Ready' && networks.type === 'Ready' && record?.run.stop === undefined;
}

function blockages({ admission, volumes, networks, changes }: GuestScope): Outcome[] {
  return [admission, volumes, networks, changes].map((step) =>
    step.type === 'Blocked' ? step.outcome : done,
  );
}

/** Errors are retried first, then the earliest appointment counts, then what only the user can mend. */
export function mostUrgent(outcomes: readonly Outcome[]): Outcome {
  const failure = outcomes.find(({ type }) => type === 'failed');
  if (failure !== undefined) return failure;
  let soonest: Extract<Outcome, { type: 'waiting' }> | undefined;
  for (const outcome of outcomes) {
    if (outcome.type === 'waiting' && outcome.afterMs < (soonest?.afterMs ?? Number.POSITIVE_INFINITY)) {
      soonest = outcome;
    }
  }
  return soonest ?? outcomes.find(({ type }) => type === 'stalled') ?? done;
}
