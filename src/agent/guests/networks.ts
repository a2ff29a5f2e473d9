/** The networks step: each interface of the plan has something to plug into; those that left the spec are taken away before a start. */
import { done, type Outcome, outcomeOf } from '../../base/outcome.ts';
import type { NetworkDriver } from '../../drivers/network/contract.ts';
import type { GuestRecord, RecordedNic } from '../record.ts';
import type { GuestScope } from './scope.ts';

export type NetworkDeps = {
  network: Pick<NetworkDriver, 'attach' | 'detach'>;
  plugs: 'Tap' | 'Veth';
  hostname: string;
  forget(nics: readonly RecordedNic[]): Promise<GuestRecord>;
  stale(): readonly RecordedNic[];
};

/** Attaches what is not attached yet. */
export async function attachNetworks(deps: NetworkDeps, scope: GuestScope): Promise<Outcome> {
  const { memory, handle, namespace } = scope;
  const guest = { id: handle.id, hostname: deps.hostname, namespace };
  try {
    if (scope.observation.state === 'Off') await detachStale(deps, scope);
    for (const wish of scope.nicWishes) {
      if (memory.nics.has(wish.name)) continue;
      memory.nics.set(wish.name, await deps.network.attach(guest, wish, deps.plugs));
    }
    return done;
  } catch (error) {
    return outcomeOf(error, 'NetworkFailed');
  }
}

async function detachStale(deps: NetworkDeps, scope: GuestScope): Promise<void> {
  const stale = deps.stale();
  if (stale.length === 0) return;
  for (const { name } of stale) await deps.network.detach(scope.handle.id, name);
  scope.record = await deps.forget(stale);
}
