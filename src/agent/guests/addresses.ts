/** The addresses step: asks the host for the addresses of a running guest's interfaces, less and less often, until they are known. */
import { backoffDelay } from '../../base/backoff.ts';
import type { Random } from '../../base/random.ts';
import type { NetworkDriver } from '../../drivers/network/contract.ts';
import type { GuestScope } from './scope.ts';

const ASK = { baseMs: 1_000, maxMs: 300_000 };

export type AddressDeps = { network: Pick<NetworkDriver, 'addresses'>; random: Random };

/** Milliseconds until addresses are worth another look; undefined when they are known or nobody can know them. */
export async function learnAddresses(deps: AddressDeps, scope: GuestScope): Promise<number | undefined> {
  const { memory } = scope;
  const macs = scope.nicWishes.filter(({ to }) => to.type !== 'User').map(({ mac }) => mac);
  if (macs.length === 0 || scope.observation.state !== 'Running') return undefined;
  memory.addresses = await deps.network.addresses(macs);
  const known = new Set(
    memory.addresses.filter(({ addresses }) => addresses.length > 0).map(({ mac }) => mac),
  );
  if (macs.every((mac) => known.has(mac))) return undefined;
  memory.addressTries += 1;
  return backoffDelay(memory.addressTries, ASK, deps.random);
}
