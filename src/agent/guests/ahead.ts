/**
 * The volumes of a guest that is new here and is to run are made while its object is being claimed and the guest written down: hidden, and
 * shown only once this host and the cluster know of it. Whatever stands in the way is met again, and told, when the volumes are claimed.
 */
import { strategyOf } from '../../api/guest.ts';
import { checkAllowList } from './admit.ts';
import type { GuestObject } from './kind.ts';
import { isStoppedForMaintenance } from './maintenance.ts';
import { wantedPower } from './power.ts';
import { checkReferences } from './references.ts';
import type { GuestMemory, Scope } from './scope.ts';
import { beginVolumes } from './volumes.ts';
import { referenceFacts, volumeDeps } from './wiring.ts';
import type { GuestWorld } from './world.ts';

/** Work that goes on hidden, until somebody says by which promise it may be shown; later words count no more. */
export type Ahead = { decide(known: Promise<unknown>): void };

/** Begins, unless it has begun, with what is shown once `known` resolves. */
export function workAhead<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
  known: Promise<unknown>,
): void {
  const { memory } = scope;
  if (memory.ahead !== undefined) memory.ahead.decide(known);
  else
    void beginAhead(world, scope).then(
      () => memory.ahead?.decide(known),
      () => {},
    );
}

/** Nobody has said that it may be shown, and nobody will. */
export function dropAhead({ idRanges }: Pick<GuestWorld, 'idRanges'>, memory: GuestMemory): void {
  endAhead(memory);
  if (memory.idBase !== undefined) idRanges.release(memory.idBase);
  delete memory.idBase;
}

/** The pass is over: what it has not allowed by now is taken away. */
export function endAhead(memory: GuestMemory): void {
  memory.ahead?.decide(Promise.reject(new Error('the guest was not taken in')));
  delete memory.ahead;
  memory.announced?.forget();
  delete memory.announced;
}

/** The first of a container's ids on this host: its record's, or taken for the record that comes. */
export function idBaseFor<T extends GuestObject, Request, Hardware>(
  world: Pick<GuestWorld, 'records' | 'idRanges'>,
  { kind, object, handle, memory }: Scope<T, Request, Hardware>,
): number | undefined {
  const known = world.records.get(handle.id);
  if (!kind.needsIdRange(object.spec) || known?.idBase !== undefined) return known?.idBase;
  memory.idBase ??= world.idRanges.take();
  return memory.idBase;
}

/** Begins if nothing stands in the way: what it makes waits for a decision. */
export async function beginAhead<T extends GuestObject, Request, Hardware>(
  world: GuestWorld,
  scope: Scope<T, Request, Hardware>,
): Promise<void> {
  if (!startsNow(scope)) return;
  const privileged = scope.kind.isPrivileged(scope.object.spec);
  if (checkAllowList(world.config, { privileged, nics: scope.nicWishes }).type !== 'done') return;
  const references = await checkReferences(referenceFacts(world, scope), scope.volumePlans);
  if (references.type !== 'done') return;
  scope.memory.ahead = beginVolumes(volumeDeps(world, scope), scope, idBaseFor(world, scope));
}

/** Nobody has to ask whether its volumes will be needed. */
function startsNow<T extends GuestObject, Request, Hardware>(scope: Scope<T, Request, Hardware>): boolean {
  const { object, observation, admission } = scope;
  if (isStoppedForMaintenance(scope) || scope.hostEnds) return false;
  const wanted = wantedPower(strategyOf(object.spec), {});
  return wanted === 'On' && observation.state === 'Off' && admission.type === 'Ready';
}
