/**
 * Jobs that work on the volumes of guests that are off, such as a restore: as a start, they are guarded and listed before they open anything, and
 * then take the guest's lock by a compare-and-swap, so that a decision of somebody who has not seen them is refused.
 */
import { guardKey, type Placement } from '../../cluster/ha/model.ts';
import type { StoredGuest } from './api.ts';
import type { Cluster } from './cluster.ts';
import type { SimHost } from './host.ts';
import type { MoverOptions } from './mover.ts';
import type { Starts } from './starts.ts';

export type Jobs = {
  /** Does nothing for a guest that is not off, or is another host's. */
  work(guest: string, stored: StoredGuest | undefined, ms: number): void;
  /** Begun by this agent: a job ends with the agent that began it. */
  isOwn(guest: string): boolean;
};

export type JobsOptions = Pick<MoverOptions, 'after' | 'caller' | 'setReport' | 'end'> & {
  host: SimHost;
  cluster: Cluster;
  deliver(run: () => void): void;
  isHere(placement: Placement | undefined): boolean;
  starts: Pick<Starts, 'isUnderWay'>;
};

export function createJobs({
  host,
  cluster,
  caller,
  after,
  deliver,
  isHere,
  starts,
  setReport,
  end,
}: JobsOptions): Jobs {
  const { api } = cluster;
  const own = new Set<string>();

  const begin = (id: string, uid: string, epoch: number, ms: number): void => {
    own.add(id);
    host.processes.set(id, { guest: id, uid, epoch, state: 'Job' });
    cluster.invariants.executing(host);
    after(ms, () => (host.processes.get(id)?.state === 'Job' ? end(id) : undefined));
  };

  /** The guest is still off, and still this host's: whoever decides anything of it from now on has seen the Lease that lists it. */
  const lock = (id: string, uid: string, placement: Placement, then: (isOurs: boolean) => void): void =>
    api.call(
      caller,
      2_000,
      ({ guests }) => {
        const stored = guests.get(id)?.value;
        const now = stored?.record.placement;
        const isOurs =
          stored?.uid === uid && stored.record.state === 'Stopped' && now?.epoch === placement.epoch;
        if (isOurs && isHere(now)) api.putGuest(id, { ...stored });
        return isOurs && isHere(now);
      },
      (answer) => then(answer.ok && answer.value),
    );

  return {
    isOwn: (id) => own.has(id),
    work: (id, stored, ms) => {
      const { placement, state } = stored?.record ?? {};
      if (stored === undefined || placement === undefined || !isHere(placement)) return;
      if (state !== 'Stopped' || host.processes.has(id)) return;
      const { epoch } = placement;
      const keeper = host.keeper();
      const key = guardKey(stored.uid, epoch);
      setReport(id, { epoch, state: 'Preparing' });
      const giveUp = (): void => {
        keeper?.release(key);
        setReport(id, { state: 'Off' });
      };
      keeper?.guard(key, () =>
        deliver(() =>
          lock(id, stored.uid, placement, (isOurs) => {
            // What has come in between is guarded by the same key.
            if (host.processes.has(id) || starts.isUnderWay(id)) return;
            if (isOurs && host.keeper() === keeper && keeper.isOpen()) begin(id, stored.uid, epoch, ms);
            else giveUp();
          }),
        ),
      );
    },
  };
}
