/** The controller of moves away from this host: each pass decides by the table and acts until it has to wait. */
import { MIGRATION_FINALIZERS } from '../../../api/cluster.ts';
import { startedStamp } from '../../../api/job.ts';
import { isOver, type Migration, Migration as MigrationKind } from '../../../api/kinds/migration.ts';
import type { Stored } from '../../../api/meta.ts';
import { done, failed, type Outcome, waiting } from '../../../base/outcome.ts';
import type { Informer } from '../../../client/contract.ts';
import type { Controller, PassResult, Trigger } from '../../../runtime/contract.ts';
import { CONTROLLERS, MIGRATION_ACCESS } from '../../access.ts';
import { passOver, passWithout } from '../passes.ts';
import { type MovePass, type MoveWorld, moveName } from '../world.ts';
import { actAsSource } from './act.ts';
import { decideSource } from './decide.ts';
import { type SourceMemory, sourceFacts } from './facts.ts';
import { prepareHandOver } from './handoverAhead.ts';
import { SOURCE_STATUS_PATHS, type SourceSays, sourceStatus } from './status.ts';

/** More deeds than any way through the table has in one pass. */
const MOST_DEEDS = 16;

export type SourceSide = {
  controller: Controller<Migration>;
  /** Ends a move whose Migration is gone. */
  settle(pass: MovePass): Promise<Outcome>;
};

export function createSource(
  world: MoveWorld,
  informer: Informer<Migration>,
  triggers: readonly Trigger[],
): SourceSide {
  const memories = new Map<string, SourceMemory>();
  const memoryOf = (uid: string) => {
    const memory = memories.get(uid) ?? {};
    memories.set(uid, memory);
    return memory;
  };

  const run = async (pass: MovePass): Promise<{ outcome: Outcome; says?: SourceSays }> => {
    const memory = memoryOf(pass.name.uid);
    for (let deeds = 0; deeds < MOST_DEEDS; deeds += 1) {
      const [view] = await Promise.all([
        sourceFacts(world, pass, memory),
        prepareHandOver(world, pass, memory),
      ]);
      const deed = decideSource(view);
      if (deed.type === 'none' && (pass.migration === undefined || isOver(pass.migration))) {
        memories.delete(pass.name.uid);
        return { outcome: done };
      }
      if (deed.type === 'none' && pass.migration?.metadata.deletionTimestamp !== undefined)
        return { outcome: done };
      const { step, says } = await actAsSource(world, pass, view, deed, memory);
      if (step === 'again') continue;
      const outcome = waiting('Moving', 'the move goes on', step.afterMs);
      return says === undefined ? { outcome } : { outcome, says };
    }
    return { outcome: failed('MoveUnsettled', 'the move changes faster than this host can follow') };
  };
  const inTurn = (pass: MovePass) => world.guests.turns.take(pass.handle.id, () => run(pass));

  const reconcile = async (
    object: Stored<Migration>,
    pass: MovePass | undefined,
  ): Promise<PassResult<Migration>> => {
    if (pass === undefined)
      return { outcome: waiting('ControlPlaneUnknown', 'the cluster is not known yet') };
    const { outcome, says } = await inTurn(pass);
    return says === undefined ? { outcome } : { outcome, status: sourceStatus(object, says, pass.now) };
  };

  return {
    settle: async (pass) => (await inTurn(pass)).outcome,
    controller: {
      name: CONTROLLERS.departures,
      kind: MigrationKind,
      informer,
      writes: SOURCE_STATUS_PATHS,
      access: MIGRATION_ACCESS,
      finalizer: MIGRATION_FINALIZERS.source,
      stamp: ({ metadata }) => startedStamp(metadata),
      selects: (object) => !isOver(object) || hasWork(world, object),
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

/** A finalizer to give back, or a move to forget. */
function hasWork({ guests }: MoveWorld, object: Stored<Migration>): boolean {
  const { metadata } = object;
  if (metadata.finalizers?.includes(MIGRATION_FINALIZERS.source) === true) return true;
  return guests.records.all().some(({ outgoing }) => outgoing?.migration.uid === moveName(object).uid);
}
