/**
 * The agent of a witness: a machine that votes and runs no guests. It renews, reports and has a keeper that answers its peers; nothing that could
 * make a guest, a volume or an image here is begun.
 */
import { ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import { ReasonedError } from '../base/outcome.ts';
import type { Connected, Parts } from './controllers.ts';
import { createGuarding } from './guarding.ts';
import { createJobs } from './jobs/beside.ts';
import { createGuestPrograms } from './programs.ts';
import { createTurns } from './turns.ts';

/** Throws ReasonedError where this machine has guests: they would be looked after by nobody. */
export function connectWitness({ world, manager, keeper, records, host }: Parts): Connected {
  const guest = records.all()[0];
  if (guest !== undefined)
    throw new ReasonedError(
      'HasGuests',
      `${host} has guests, such as ${guest.namespace}/${guest.name}: empty it first (vireo drain ${host}), or run vireo join here`,
      { stalled: true },
    );
  const policies = manager.informers.informer(ClusterPolicy);
  const programs = createGuestPrograms({
    ...{ log: world.log, groups: undefined, isOn: () => false, guardedAs: () => undefined },
    life: () => undefined,
    keep: () => Promise.reject(new Error('a witness has no guests')),
  });
  return {
    guarding: createGuarding({
      clock: world.clock,
      log: world.log,
      policies,
      keeper,
      guests: () => [],
      programs,
    }),
    begin: programs.begin,
    guests: {
      object: () => undefined,
      wake: () => {},
      turns: createTurns(),
      jobs: createJobs(world.clock),
    },
    lookAfterStrays: async (_, onFirstRound) => onFirstRound(),
    close: async () => {},
  };
}
