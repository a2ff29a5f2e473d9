/** Programs of pools as a host runs them: each in the group of a guest, which outlives the agent, and a kill takes away. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ProgramGroups } from '../../../src/agent/programs.ts';
import { ReasonedError } from '../../../src/base/outcome.ts';
import type { Admission } from '../../../src/base/processes.ts';

type Program = { name: string; group: string | undefined; end(code: number): void };

export type FakePrograms = ReturnType<typeof createFakePrograms>;

export function createFakePrograms() {
  const asked = new AsyncLocalStorage<Admission>();
  /** `<guest>/<term>`, or `<guest>/unguarded`. */
  const rooms = new Set<string>();
  const running = new Set<Program>();
  /** What was begun and ended, in order. */
  const told: string[] = [];
  const state = { takesTime: false, immortal: false };
  const isOf = (id: string, group: string | undefined) => group?.startsWith(`${id}/`) === true;

  const kill = (id: string): void => {
    for (const program of [...running]) if (isOf(id, program.group)) program.end(137);
    for (const room of [...rooms]) if (isOf(id, room)) rooms.delete(room);
  };
  const groups: ProgramGroups = {
    within: (admission, work) => asked.run(admission, work),
    door: async (id, life) => {
      const room = `${id}/${life?.term ?? 'unguarded'}`;
      if (life === undefined) rooms.add(room);
      return ['enter', room];
    },
    end: async (id) => {
      if (state.immortal) throw new Error('processes remain');
      told.push(`settled ${id}`);
      kill(id);
    },
    list: async () => [...new Set([...rooms].map((room) => room.split('/')[0] ?? ''))],
  };

  /** A program of a pool: runs until it is ended, where programs take time. */
  const run = async (name: string): Promise<void> => {
    const { prefix, ended } = (await asked.getStore()?.()) ?? { prefix: [], ended: () => {} };
    const group = prefix[1];
    try {
      if (group !== undefined && !rooms.has(group))
        throw new ReasonedError('StorageFailed', `${name} exited with 126`);
      told.push(`${name} in ${group ?? 'no group'}`);
      if (!state.takesTime) return;
      const code = await new Promise<number>((resolve) => {
        const program: Program = {
          name,
          group,
          end: (given) => {
            running.delete(program);
            resolve(given);
          },
        };
        running.add(program);
      });
      if (code !== 0) throw new ReasonedError('StorageFailed', `${name} exited with ${code}`);
    } finally {
      ended();
    }
  };

  return {
    groups,
    rooms,
    told,
    state,
    run,
    kill,
    admit: (id: string, term: number) => void rooms.add(`${id}/${term}`),
    running: () => [...running].map(({ name, group }) => `${name} in ${group ?? 'no group'}`),
    /** Those that run end by themselves, and later ones at once. */
    finish: () => {
      state.takesTime = false;
      for (const program of [...running]) program.end(0);
    },
  };
}
