/** Where a keeper stands: apart from its agent and all guests, and before them where processors or memory are short. */
import { setPriority } from 'node:os';
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { enterOwnGroup } from '../../drivers/cgroup/own.ts';

/** Four times what a keeper has in use; what it has no use for is not set aside. */
const MEMORY_BYTES = 256 * 2 ** 20;

/**
 * For this process and all that it starts from now on; of itself the memory it has in use, and the threads it has, stay as they were. Resolves with what
 * the host does not let it have: a keeper does its work all the same.
 */
export async function takeStand(world: Pick<World, 'files' | 'clock'>, group: string): Promise<string[]> {
  const own = { group, pid: process.pid, memoryBytes: MEMORY_BYTES };
  const refused = await enterOwnGroup(world, own).catch((error: unknown) => [String(error)]);
  const wishes = {
    'the last to be killed for memory': () => world.files.writeInPlace('/proc/self/oom_score_adj', '-1000'),
    'the first of its group to run': () => setPriority(-20),
  };
  for (const [wish, grant] of Object.entries(wishes)) {
    try {
      await grant();
    } catch (error) {
      refused.push(`${wish}: ${String(error)}`);
    }
  }
  return refused;
}
