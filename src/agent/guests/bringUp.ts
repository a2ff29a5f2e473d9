/** The steps of a guest in their order: admitted, recorded and listed, then volumes and networks together, changes, power, addresses. */
import { done, type Outcome, waiting } from '../../base/outcome.ts';
import type { GuestRecord } from '../record.ts';
import { learnAddresses } from './addresses.ts';
import { checkAllowList } from './admit.ts';
import { applyChanges } from './changes.ts';
import { block, drivePower } from './drive.ts';
import { admit, remember } from './intake.ts';
import type { GuestObject } from './kind.ts';
import { isHeldOff } from './locks.ts';
import { moveStage } from './moving.ts';
import { attachNetworks } from './networks.ts';
import { checkReferences } from './references.ts';
import { type GuestScope, type Scope, stateOf } from './scope.ts';
import { claimVolumes } from './volumes.ts';
import { driveDeps, networkDeps, referenceFacts, volumeDeps } from './wiring.ts';
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
  if (isHeldOff(scope.record)) return holdOff(world, scope, heldFor(scope.record));
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

function heldFor(record: GuestRecord | undefined): Outcome {
  const why = {
    Snapshot: ['TakingSnapshot', 'the guest is off while a snapshot is taken'],
    Rollback: ['RollingBack', 'the guest is off while it is rolled back'],
    Backup: ['BackingUp', 'the guest is off while it is backed up'],
    Restore: ['Restoring', 'the guest is off while it gets its disks back from a backup'],
  } as const;
  const [reason, message] = why[record?.lock?.operation ?? 'Rollback'];
  return waiting(reason, message, MOVE_RECHECK_MS);
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
