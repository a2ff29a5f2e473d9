/**
 * The lives of simulated guests over their table: who lives now, and ends that come later. An end is written down with its time, so that
 * it comes about even when the agent was away; timers exist only while an end is near.
 */
import { type Clock, timestamp } from '../../../base/clock.ts';
import type { GuestEnd } from '../contract.ts';
import type { SimulatedGuest, SimulatedTable } from './table.ts';

export type SimulatedLives = {
  /** The guest as it is now, Off ones included: one that had to stop while nobody looked has stopped. */
  current(id: string): Promise<SimulatedGuest | undefined>;
  /** The guest if anything of it stands here: it runs, is paused, waits for its memory or has left. */
  living(id: string): Promise<SimulatedGuest | undefined>;
  /** Ids of all living guests. */
  all(): Promise<string[]>;
  begin(
    guest: Pick<
      SimulatedGuest,
      'id' | 'uuid' | 'request' | 'hardware' | 'receiving' | 'copiedAtMs' | 'marks' | 'woke'
    > & {
      state?: 'Incoming';
    },
  ): Promise<SimulatedGuest>;
  change(guest: SimulatedGuest): Promise<void>;
  /** Off; `how` undefined stands for a kill, which leaves no end to tell of. */
  end(id: string, how: GuestEnd | undefined): Promise<void>;
  /** Ends this run of the guest after `ms`, unless it ends earlier. */
  endLater(guest: SimulatedGuest, ms: number, how: GuestEnd): void;
  forget(id: string): Promise<void>;
  /** Lets go of timers and resolves when everything is on disk. */
  close(): Promise<void>;
};

/** Lives in `table`; `changed` hears the id of each guest whose state changed. */
export function createSimulatedLives(
  clock: Clock,
  table: SimulatedTable,
  changed: (id: string) => void,
): SimulatedLives {
  const timers = new Map<string, () => void>();

  const put = async (id: string, guest: SimulatedGuest | undefined) => {
    await table.put(id, guest);
    changed(id);
  };
  const forgetTimer = (id: string) => {
    timers.get(id)?.();
    timers.delete(id);
  };
  const current = async (id: string) => {
    const guest = (await table.guests()).get(id);
    if (guest === undefined || guest.state === 'Off' || guest.stopsAtMs === undefined) return guest;
    const leftMs = guest.stopsAtMs - clock.now();
    if (leftMs <= 0) return off(guest, 'PoweredOff');
    if (!timers.has(id)) endLater(guest, leftMs, 'PoweredOff');
    return guest;
  };
  const living = async (id: string) => {
    const guest = await current(id);
    return guest?.state === 'Off' ? undefined : guest;
  };
  const end = async (id: string, how: GuestEnd | undefined) => {
    forgetTimer(id);
    const guest = (await table.guests()).get(id);
    if (guest === undefined || (guest.state === 'Off' && (how !== undefined || guest.ended === undefined)))
      return;
    await put(id, off(guest, how));
  };
  const endLater = ({ id, startTicks }: SimulatedGuest, ms: number, how: GuestEnd) => {
    forgetTimer(id);
    const run = async () => {
      timers.delete(id);
      if ((await table.guests()).get(id)?.startTicks === startTicks) await end(id, how);
    };
    // A write that fails leaves the guest as it was: whoever looks next sees it, and stopsAtMs still holds.
    const cancel = clock.after(ms, () => void run().catch(() => changed(id)));
    timers.set(id, cancel);
  };

  return {
    current,
    living,
    end,
    endLater,
    all: async () => {
      const ids = [...(await table.guests()).keys()];
      const found = await Promise.all(ids.map(async (id) => ((await living(id)) === undefined ? [] : [id])));
      return found.flat();
    },
    begin: async ({ state, ...given }) => {
      let startTicks = 1;
      for (const other of (await table.guests()).values())
        startTicks = Math.max(startTicks, other.startTicks + 1);
      const startedAt = timestamp(clock);
      const guest: SimulatedGuest = { ...given, state: state ?? 'Running', startedAt, startTicks };
      await put(given.id, guest);
      return guest;
    },
    change: (guest) => put(guest.id, guest),
    forget: async (id) => {
      forgetTimer(id);
      if ((await table.guests()).has(id)) await put(id, undefined);
    },
    close: async () => {
      for (const id of [...timers.keys()]) forgetTimer(id);
      await table.flush();
    },
  };
}

function off(guest: SimulatedGuest, how: GuestEnd | undefined): SimulatedGuest {
  const { id, uuid, startedAt, startTicks, request } = guest;
  return {
    ...{ id, uuid, startedAt, startTicks, request },
    state: 'Off',
    ...(how === undefined ? {} : { ended: how }),
  };
}
