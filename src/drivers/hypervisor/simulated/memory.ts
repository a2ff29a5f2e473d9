/** The memory of simulated machines: a file that says what ran. It takes time to write, and the guest stands still at its moment, as real ones do. */
import type { Clock } from '../../../base/clock.ts';
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestHandle } from '../contract.ts';
import type { GuestMemory, KeptMemory } from '../memory.ts';
import type { SimulatedLives } from './lives.ts';
import type { TableFiles } from './table.ts';

export type SimulatedMemoryOptions<Request, Hardware> = {
  clock: Clock;
  files: TableFiles;
  lives: Pick<SimulatedLives, 'living' | 'change'>;
  /** How long it takes to write, milliseconds. */
  memoryMs: number;
  /** Why this guest cannot be gone on with; undefined: it can. */
  unfit(guest: GuestHandle): string | undefined;
  start(
    guest: GuestHandle,
    name: string,
    machine: KeptMemory<Request, Hardware>,
    gate: () => Promise<void>,
  ): Promise<void>;
};

/** The memory of one simulated host's machines. */
export function createSimulatedMemory<Request, Hardware>({
  clock,
  files,
  lives,
  memoryMs,
  unfit,
  start,
}: SimulatedMemoryOptions<Request, Hardware>): GuestMemory<Request, Hardware> {
  const pathOf = ({ directory }: GuestHandle, name: string) => `${directory}/memory-${name}.json`;
  const find = async (guest: GuestHandle, name: string) => {
    const text = await files.readText(pathOf(guest, name));
    // Removed: these files can only be written.
    return text === undefined || text === ''
      ? undefined
      : (JSON.parse(text) as KeptMemory<Request, Hardware>);
  };
  const running = async (guest: GuestHandle) => {
    const known = await lives.living(guest.id);
    if (known !== undefined) return known;
    throw new ReasonedError(
      'MemoryNotKept',
      `the memory of the guest could not be kept: ${guest.name} went off`,
    );
  };
  return {
    find,
    gather: async (guest, _name, { signal }) => {
      await running(guest);
      if (memoryMs > 0) await clock.sleep(memoryMs, signal);
      signal.throwIfAborted();
      await lives.change({ ...(await running(guest)), state: 'Paused' });
    },
    release: async (guest) => {
      await lives.change({ ...(await running(guest)), state: 'Running' });
      return { stillMs: 1 };
    },
    keep: async (guest, name) => {
      const { request, hardware } = await running(guest);
      const text = JSON.stringify({ request, hardware });
      await files.makeDirectory(guest.directory);
      await files.writeAtomic(pathOf(guest, name), text);
      return text.length;
    },
    letGo: async (guest) => {
      const known = await lives.living(guest.id);
      if (known?.state === 'Paused') await lives.change({ ...known, state: 'Running' });
    },
    remove: async (guest, name) => {
      if ((await find(guest, name)) !== undefined) await files.writeAtomic(pathOf(guest, name), '');
    },
    wake: async (guest, name, machine, gate) => {
      const why = unfit(guest);
      if (why !== undefined) throw new ReasonedError('MemoryUnfit', why);
      await start(guest, name, machine, gate);
    },
  };
}
