/**
 * Programs that work on the volumes of a guest count as the guest: each is started in a control group that the keeper of this host freezes and kills
 * with it, and only while the guest is guarded if it has `ha`. What this process itself writes is in no group: the gate and the lock are for that.
 */
import type { Log } from '../base/log.ts';
import type { Admission } from '../base/processes.ts';
import type { Life } from '../keeper/contract.ts';
import { GateClosed } from './guests/gate.ts';

/** Groups of programs on this host, by the id of the guest whose volumes they work on. */
export type ProgramGroups = {
  /** Programs that pools start for `work`, and for whatever it begins, are admitted by this. */
  within<T>(admission: Admission, work: () => Promise<T>): Promise<T>;
  /** How a command line begins that enters the group which the keeper has made in this life; without a life, one that is made now. */
  door(id: string, life: Life | undefined): Promise<readonly string[]>;
  /** Ends whatever runs there, and takes the group away; nothing there is no error. */
  end(id: string): Promise<void>;
  /** Ids of guests that have a group. */
  list(): Promise<string[]>;
};

export type GuestPrograms = {
  /** Programs that pools start for `work` are this guest's. */
  workFor<T>(id: string, work: () => Promise<T>): Promise<T>;
  /** Inside: some are in its group. Outside: some are in none, as they began while there was no keeper. */
  where(id: string): 'None' | 'Inside' | 'Outside';
  /** Some run, of any guest. */
  isBusy(): boolean;
  /** Guests that none runs for any more, but may have left something in their groups. */
  idle(): string[];
  /** Ends what is left in the group of a guest that none runs for. Rejects when it does not die. */
  settle(id: string): Promise<void>;
  /** Ends those of an earlier agent, of which nobody would hear. One that does not die keeps its guest's work waiting. */
  begin(): Promise<void>;
};

export type GuestProgramsOptions = {
  log: Log;
  /** Absent: this host has no keeper or no control groups, and programs run as they do without. */
  groups: ProgramGroups | undefined;
  /** There is a keeper that may have to end them. */
  isOn(): boolean;
  /** By which key the guest is guarded; undefined when it is not. */
  guardedAs(id: string): string | undefined;
  /** The life of this host, as last heard of its keeper. */
  life(): Life | undefined;
  /** Resolves once it is guarded; it stays so while some are inside. */
  keep(key: string, id: string): Promise<Life>;
};

type Work = { inside: number; outside: number; isUsed: boolean; settling?: Promise<void> };

export function createGuestPrograms(options: GuestProgramsOptions): GuestPrograms {
  const { log, groups, isOn, guardedAs, keep, life: presentLife } = options;
  const works = new Map<string, Work>();
  /** Guests whose groups hold what an earlier agent began. */
  const strays = new Set<string>();
  const workOf = (id: string): Work => {
    const found = works.get(id) ?? { inside: 0, outside: 0, isUsed: false };
    works.set(id, found);
    return found;
  };
  const forgetIdle = (id: string): void => {
    const { inside, outside, isUsed, settling } = workOf(id);
    if (inside === 0 && outside === 0 && !isUsed && settling === undefined) works.delete(id);
  };
  const count = (id: string, where: 'inside' | 'outside'): (() => void) => {
    const work = workOf(id);
    let isOver = false;
    work[where] += 1;
    return () => {
      if (isOver) return;
      isOver = true;
      work[where] -= 1;
      forgetIdle(id);
    };
  };

  const settle = async (id: string): Promise<void> => {
    const work = workOf(id);
    work.settling ??= (groups?.end(id) ?? Promise.resolve())
      .then(() => {
        strays.delete(id);
        work.isUsed = false;
      })
      .finally(() => {
        delete work.settling;
        forgetIdle(id);
      });
    await work.settling;
  };

  const admit = async (
    id: string,
    begun: { as: string | undefined; in: Life | undefined },
    at: ProgramGroups,
  ) => {
    if (!isOn()) return { prefix: [], ended: count(id, 'outside') };
    const ended = count(id, 'inside');
    try {
      if (strays.has(id) || workOf(id).settling !== undefined) await settled(id);
      workOf(id).isUsed = true;
      const key = guardedAs(id);
      const life = key === undefined ? undefined : await keep(key, id);
      const isOver = begun.as !== undefined && key !== begun.as;
      if (isOver || (life !== undefined && !isSame(life, begun.in))) {
        const message =
          'the guest, or this host, has had its end since the work was begun: it begins anew if the guest is still here';
        throw new GateClosed('WorkOutlived', message);
      }
      return { prefix: await at.door(id, life), ended };
    } catch (error) {
      ended();
      throw error;
    }
  };
  const settled = async (id: string): Promise<void> => {
    await settle(id).catch((error: unknown) => {
      const message = `what was at work on the volumes of the guest before does not end: ${String(error)}`;
      throw new GateClosed('ProcessesRemain', message);
    });
  };

  return {
    workFor: (id, work) => {
      if (groups === undefined) return work();
      // What it has asked about the guest it has asked in this life and stay: since the end of either the guest may run elsewhere.
      const begun = { as: guardedAs(id), in: presentLife() };
      return groups.within(() => admit(id, begun, groups), work);
    },
    where: (id) => {
      const work = works.get(id);
      if ((work?.outside ?? 0) > 0) return 'Outside';
      return (work?.inside ?? 0) > 0 || strays.has(id) ? 'Inside' : 'None';
    },
    isBusy: () => strays.size > 0 || [...works.values()].some(({ inside, outside }) => inside + outside > 0),
    idle: () => [...works].filter(([, { inside, isUsed }]) => inside === 0 && isUsed).map(([id]) => id),
    settle,
    begin: async () => {
      for (const id of (await groups?.list()) ?? []) strays.add(id);
      const end = (id: string) =>
        settle(id).catch((error: unknown) => {
          log.warn('what an earlier agent began does not end', { id, message: String(error) });
        });
      await Promise.all([...strays].map(end));
    },
  };
}

function isSame(a: Life, b: Life | undefined): boolean {
  return a.bootID === b?.bootID && a.term === b.term;
}
