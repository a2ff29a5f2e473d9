/** What a kind of job must say that changes the volumes of a guest while it is held off; all such jobs run the same way. */
import type { Condition, KindRef, KubeObject, Stored } from '../../../api/meta.ts';
import type { Access } from '../../../runtime/contract.ts';
import type { GuestLock, GuestRecord } from '../../record.ts';
import type { Objection } from '../begin.ts';

type Spec = {
  guest: { kind: GuestRecord['kind']; name: string };
  ifRunning?: 'Refuse' | 'Stop';
  startDeadlineSeconds?: number;
};

export type ChangingJob = KubeObject<
  Spec,
  { conditions?: Condition[]; phase?: string; startedAt?: string; completedAt?: string; message?: string }
>;

/** What of the lock is the kind's own. */
export type OwnLock = Pick<GuestLock, 'key' | 'disks'>;

export type HeldWork<T extends ChangingJob> = {
  /** Of the controller. */
  name: string;
  kind: KindRef<T>;
  operation: 'Rollback' | 'Restore';
  access: readonly Access[];
  /** Uid of the job that was finished last on the guest. */
  finished(record: GuestRecord): string | undefined;
  /** What it is to do, or what stands against it. Asked only of one that has not begun, of a guest that is here. */
  judge(job: Stored<T>, record: GuestRecord, signal: AbortSignal): Promise<OwnLock | Objection>;
  /** Makes ready beside the guest what it is to get, hidden; again after a crash, and once more before the change. */
  prepare?(job: Stored<T>, record: GuestRecord, signal: AbortSignal): Promise<void>;
  /** What its status says of how far that is, when it goes on or is over. */
  progress?(job: Stored<T>, isOver: boolean): Partial<T['status']> | undefined;
  /** Repeatable after a crash at any line; marks the lock as changing before the first change, and gives it back after the last. */
  change(record: GuestRecord, signal: AbortSignal): Promise<void>;
  /** Gives the lock back with nothing changed. */
  undo(record: GuestRecord): Promise<void>;
  words: {
    /** Event when it begins. */
    begun(spec: T['spec'], lock: OwnLock): string;
    /** Reason and message of success. */
    done: { reason: string; message: string };
    /** While `prepare` runs. */
    preparing: string;
  };
};
