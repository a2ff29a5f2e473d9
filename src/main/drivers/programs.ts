/**
 * Control groups for programs that work on guests' volumes. Which guest a program is for is told by whom it was begun, not by each pool in between:
 * what is not told cannot be forgotten on the way.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ProgramGroups } from '../../agent/programs.ts';
import type { Admission } from '../../base/processes.ts';
import { type Cgroups, JOBS_GROUP, jobsGroup } from '../../drivers/cgroup/contract.ts';

/** Of guests that nobody guards: the keeper makes none for them. */
const UNGUARDED = 'unguarded';
const END_MS = 2_000;

/** `admission` is for the pools; `programs` is absent where there are no control groups. */
export function programGroups(cgroups: Cgroups): { admission: Admission; programs?: ProgramGroups } {
  const asked = new AsyncLocalStorage<Admission>();
  const admission: Admission = async () => (await asked.getStore()?.()) ?? { prefix: [], ended: () => {} };
  if (cgroups.version === 0) return { admission };
  return {
    admission,
    programs: {
      within: (given, work) => asked.run(given, work),
      door: async (id, life) => {
        const group = `${jobsGroup(id)}/${life?.term ?? UNGUARDED}`;
        // That of a life is its keeper's to make: made here it could come back after the kill.
        if (life === undefined) await cgroups.createFreezable(group);
        return cgroups.door(group);
      },
      end: (id) => cgroups.end(jobsGroup(id), { timeoutMs: END_MS }),
      list: () => cgroups.list(JOBS_GROUP),
    },
  };
}
