/** Starts of guests on a simulated host: listed in the Lease before anything runs, and asked for a last time before the first instruction. */
import { guardKey } from '../../cluster/ha/model.ts';
import type { AgentMemory } from './agent.ts';
import type { StoredGuest } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { Process, SimHost } from './host.ts';
import type { MoverOptions } from './mover.ts';

/** How long until an agent looks again by itself, ms. */
export const LOOK_AGAIN_MS = 1_000;
const SAID_AGAIN_MS = 10;

export type Starts = {
  /** Does nothing for a guest whose start is under way, is to be tried later, or has failed too often. */
  start(guest: string, stored: StoredGuest): void;
  isUnderWay(guest: string): boolean;
  /** What is under way comes to nothing. */
  forget(guest: string): void;
  forgetAll(): void;
};

export type StartsOptions = Pick<MoverOptions, 'after' | 'setReport' | 'ask'> & {
  host: SimHost;
  cluster: Cluster;
  memory: AgentMemory;
  deliver(run: () => void): void;
  sync(): void;
  /** What this host has is in the API as it is now. */
  isSaid(): boolean;
};

export function createStarts(options: StartsOptions): Starts {
  const { host, cluster, memory, after, deliver, setReport, ask, sync, isSaid } = options;
  /** The start that is under way, by guest: what is left of an earlier one does nothing any more. */
  const starting = new Map<string, { key: string }>();
  const retryAt = new Map<string, number>();
  const process = (guest: string): Process | undefined => host.processes.get(guest);

  const start = (id: string, stored: StoredGuest): void => {
    const { placement } = stored.record;
    if (placement === undefined || starting.has(id) || (retryAt.get(id) ?? 0) > host.mono()) return;
    const { epoch } = placement;
    const report = memory.reports.get(id);
    const failures = report?.epoch === epoch ? report.failures : 0;
    if (failures > cluster.limits(stored.spec).maxRestart) return;
    if (memory.shutdown !== undefined) {
      // Nobody is started any more: whoever sent it here, before this was known, must hear so, also of a start that had only begun.
      const isBegun = report?.state === 'Preparing' && process(id) === undefined;
      if (report?.epoch !== epoch || isBegun) setReport(id, { epoch, state: 'Off', failures });
      return;
    }
    const key = guardKey(stored.uid, epoch);
    const attempt = { key };
    starting.set(id, attempt);
    const giveUp = () => {
      const own = process(id);
      const isKeyInUse =
        own !== undefined && own.state !== 'Preparing' && guardKey(own.uid, own.epoch) === key;
      if (starting.get(id) !== attempt) {
        if (starting.get(id)?.key !== key && !isKeyInUse) host.keeper()?.release(key);
        return;
      }
      starting.delete(id);
      if (process(id)?.state === 'Preparing') host.processes.delete(id);
      host.keeper()?.release(key);
      // What its record says stays, whatever an API that was restored from an older copy asks for.
      setReport(id, { epoch: Math.max(epoch, host.epochs.get(stored.uid) ?? 0), state: 'Off' });
    };
    ask(
      id,
      stored.uid,
      epoch,
      () => {
        host.epochs.set(stored.uid, Math.max(epoch, host.epochs.get(stored.uid) ?? 0));
        setReport(id, { epoch, state: 'Preparing', failures, uid: stored.uid });
        const keeper = host.keeper();
        const open = (): void => {
          host.processes.set(id, { guest: id, uid: stored.uid, epoch, state: 'Preparing' });
          cluster.invariants.executing(host);
          after(stored.spec.startTakesMs, () => finish(id, stored, attempt, failures, giveUp));
        };
        const listed = (hasWaited = false): void =>
          deliver(() => {
            if (host.keeper() !== keeper || starting.get(id) !== attempt) return;
            // Nothing of it is made before the cluster knows that it is here.
            if (!isSaid()) after(SAID_AGAIN_MS, () => listed(true));
            else if (hasWaited) ask(id, stored.uid, epoch, open, giveUp);
            else open();
          });
        if (cluster.flaw.agent === 'StartsUnlisted') listed();
        keeper?.guard(key, () => listed());
      },
      giveUp,
    );
  };

  const finish = (
    id: string,
    stored: StoredGuest,
    attempt: { key: string },
    failures: number,
    giveUp: () => void,
  ): void => {
    const epoch = stored.record.placement?.epoch ?? 0;
    const isMine = () => starting.get(id) === attempt;
    if (!isMine() || process(id)?.state !== 'Preparing') {
      giveUp();
      return;
    }
    if (cluster.startFails(id, host.name)) {
      giveUp();
      retryAt.set(id, host.mono() + LOOK_AGAIN_MS);
      setReport(id, { epoch, state: 'Off', failures: failures + 1 });
      after(LOOK_AGAIN_MS, sync);
      return;
    }
    ask(
      id,
      stored.uid,
      epoch,
      () => {
        const own = process(id);
        const isOpen = host.keeper()?.isOpen() === true || cluster.flaw.agent === 'EpochUnchecked';
        if (own?.state !== 'Preparing' || !isOpen || !isMine()) {
          giveUp();
          return;
        }
        starting.delete(id);
        own.state = 'Running';
        cluster.started(id, host, stored);
        setReport(id, { epoch, state: 'Running', failures: 0 });
      },
      giveUp,
    );
  };

  return {
    start,
    isUnderWay: (id) => starting.has(id),
    forget: (id) => void starting.delete(id),
    forgetAll: () => starting.clear(),
  };
}
