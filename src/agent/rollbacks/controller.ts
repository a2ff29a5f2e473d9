/** Rollbacks of guests on this host: a guest that is off gets its volumes back as they are in a Snapshot of it. */
import { Rollback } from '../../api/kinds/rollback.ts';
import { keyOf, type Stored } from '../../api/meta.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Informer } from '../../client/contract.ts';
import type { Controller } from '../../runtime/contract.ts';
import { CONTROLLERS, ROLLBACK_ACCESS } from '../access.ts';
import { unlocked } from '../guests/locks.ts';
import { updateRecord } from '../guests/wiring.ts';
import { never, notYet, type Objection } from '../jobs/begin.ts';
import type { OwnLock } from '../jobs/held/contract.ts';
import { heldJobController } from '../jobs/held/controller.ts';
import type { GuestRecord } from '../record.ts';
import { keyOfSnapshot } from '../snapshots/take.ts';
import { guestOf, type SnapshotWorld } from '../snapshots/world.ts';
import { rollBack } from './act.ts';

export function rollbackController(world: SnapshotWorld, informer: Informer<Rollback>): Controller<Rollback> {
  return heldJobController(world, informer, {
    name: CONTROLLERS.rollbacks,
    kind: Rollback,
    operation: 'Rollback',
    access: ROLLBACK_ACCESS,
    finished: ({ rolledBack }) => rolledBack,
    judge: async (rollback, record) => judgeSnapshot(world, rollback, record),
    change: async (record, signal) => {
      const to = record.snapshots?.find(({ key }) => key === record.lock?.key);
      if (to !== undefined) return rollBack(world, record, to, signal);
      const message = 'this host does not know the snapshot any more';
      throw new ReasonedError('SnapshotMissing', message, { stalled: true });
    },
    undo: async ({ id }) => {
      await updateRecord(world.guests, id, (before) => unlocked(before));
    },
    words: {
      begun: ({ guest, snapshot }) => `${guest.name} goes back to ${snapshot}`,
      done: { reason: 'RolledBack', message: 'the guest is what it was' },
      preparing: 'the guest is held off',
    },
  });
}

function judgeSnapshot(
  { snapshots }: SnapshotWorld,
  { metadata, spec }: Stored<Rollback>,
  record: GuestRecord,
): OwnLock | Objection {
  const { guest, snapshot: name } = spec;
  const snapshot = snapshots.get(keyOf({ namespace: metadata.namespace ?? 'default', name }));
  if (snapshot === undefined)
    return notYet(
      'SnapshotNotFound',
      `there is no Snapshot ${name} of a guest on this host in this namespace`,
    );
  if (guestOf(snapshot).text !== guestOf({ metadata, spec }).text)
    return never('SnapshotOfOther', `the Snapshot ${name} is not one of ${guest.kind} ${guest.name}`);
  if (record.snapshots?.some(({ uid }) => uid === snapshot.metadata.uid) === true)
    return { key: keyOfSnapshot(snapshot) };
  const { phase } = snapshot.status ?? {};
  if (phase === undefined || phase === 'Pending' || phase === 'Taking')
    return notYet('SnapshotNotReady', `the Snapshot ${name} is not taken yet`);
  return never('SnapshotNotReady', `the Snapshot ${name} is ${phase}: there is nothing to roll back to`);
}
