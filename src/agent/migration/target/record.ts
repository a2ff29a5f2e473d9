/** How the target's record of a move changes, each time on disk before anything is done by it, and what a step says. */
import type { MigrationStatus } from '../../../api/kinds/migration.ts';
import { updateRecord } from '../../guests/wiring.ts';
import type { GuestRecord, Incoming } from '../../record.ts';
import type { MovePass, MoveWorld, Step } from '../world.ts';

/** What the target writes in the Migration. */
export type TargetSays = NonNullable<MigrationStatus['target']>;

/** A step, and what it says in the Migration. */
export type TargetStep = { step: Step; says?: TargetSays };

/** What tells nobody is looked at again after this. */
export const RECHECK_MS = 5_000;

/** Decide again at once. */
export const again: TargetStep = { step: 'again' };
/** Look again after so long, although nothing tells. */
export const after = (afterMs: number, says?: TargetSays): TargetStep => ({
  step: { afterMs },
  ...(says === undefined ? {} : { says }),
});

/** Changes the move in the record. */
export function change(
  world: MoveWorld,
  { handle }: MovePass,
  edit: (incoming: Incoming) => Incoming,
  more: (record: GuestRecord) => Partial<GuestRecord> = () => ({}),
): Promise<GuestRecord> {
  return updateRecord(world.guests, handle.id, (record) => {
    if (record.incoming === undefined) throw new Error(`the record of ${record.id} has lost its move`);
    return { ...record, ...more(record), incoming: edit(record.incoming) };
  });
}
