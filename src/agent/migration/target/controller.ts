/** The controller of moves to this host: each pass decides by the table and acts until it has to wait. */
import { MIGRATION_FINALIZERS } from '../../../api/cluster.ts';
import { startedStamp } from '../../../api/job.ts';
import { isOver, Migration } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import { done, failed, type Outcome, waiting } from '../../../base/outcome.ts';
import type { Informer } from '../../../client/contract.ts';
import type { Controller, PassResult, Trigger } from '../../../runtime/contract.ts';
import { CONTROLLERS, MIGRATION_ACCESS, TARGET_STATUS_PATHS } from '../../access.ts';
import { passOver, passWithout } from '../passes.ts';
import { type MovePass, type MoveWorld, moveKey } from '../world.ts';
import { actAsTarget } from './act.ts';
import type { TargetMemory } from './beside.ts';
import { decideTarget } from './decide.ts';
import { targetFacts } from './facts.ts';
import type { TargetSays } from './record.ts';

/** More deeds than any way through the table has in one pass. */
const MOST_DEEDS = 12;

export type TargetSide = {
  controller: Controller<Migration>;
  /** Ends a move whose Migration is gone. */
  settle(pass: MovePass): Promise<Outcome>;
};

export function createTarget(
  world: MoveWorld,
  informer: Informer<Migration>,
  triggers: readonly Trigger[],
): TargetSide {
  const { guests } = world;
  const memories = new Map<string, TargetMemory>();
  const run = async (pass: MovePass): Promise<{ outcome: Outcome; says?: TargetSays }> => {
    const wake = () => guests.enqueue(CONTROLLERS.arrivals, moveKey(pass.name));
    const memory = memories.get(pass.name.uid) ?? {};
    memories.set(pass.name.uid, memory);
    for (let deeds = 0; deeds < MOST_DEEDS; deeds += 1) {
      const view = await targetFacts(world, pass, memory);
      const deed = decideTarget(view);
      if (deed.type === 'none' && isEnding(pass)) {
        memories.delete(pass.name.uid);
        return { outcome: done };
      }
      const { step, says } = await actAsTarget(world, pass, view, deed, { memory, wake });
      // Without a Migration there is nobody to tell.
      if (step === 'again') continue;
      const outcome = waiting('Moving', 'the move goes on', step.afterMs);
      return says === undefined ? { outcome } : { outcome, says };
    }
    return { outcome: failed('MoveUnsettled', 'the move changes faster than this host can follow') };
  };
  const inTurn = (pass: MovePass) => guests.turns.take(pass.handle.id, () => run(pass));

  const reconcile = async (
    object: Stored<Migration>,
    pass: MovePass | undefined,
  ): Promise<PassResult<Migration>> => {
    if (pass === undefined)
      return { outcome: waiting('ControlPlaneUnknown', 'the cluster is not known yet') };
    const { outcome, says } = await inTurn(pass);
    return says === undefined ? { outcome } : { outcome, status: { ...object.status, target: says } };
  };

  return {
    settle: async (pass) => (await inTurn(pass)).outcome,
    controller: {
      name: CONTROLLERS.arrivals,
      kind: Migration,
      informer,
      writes: TARGET_STATUS_PATHS,
      access: MIGRATION_ACCESS,
      finalizer: MIGRATION_FINALIZERS.target,
      stamp: ({ metadata }) => startedStamp(metadata),
      selects: (object) =>
        !isOver(object) || object.metadata.finalizers?.includes(MIGRATION_FINALIZERS.target) === true,
      triggers,
      concurrency: 8,
      reconcile: (given) => reconcile(given.object, passOver(world, given)),
      remove: (given) => reconcile(given.object, passOver(world, given)),
      gone: async (_key, last, { signal }) => {
        const pass = await passWithout(world, last, signal);
        return pass === undefined ? done : (await inTurn(pass)).outcome;
      },
    },
  };
}

function isEnding({ migration }: MovePass): boolean {
  return migration === undefined || isOver(migration) || migration.metadata.deletionTimestamp !== undefined;
}
