/** The memory of machines behind the contract. What is on its way is known to this driver alone: whoever comes after it lets the guest go on. */
import type { GuestHandle, HypervisorFacts, MachineHardware, MachineRequest } from '../../contract.ts';
import type { GuestMemory } from '../../memory.ts';
import type { QemuContext } from '../context.ts';
import { lookStanding } from '../look.ts';
import { QmpError } from '../qmp.ts';
import { type Starts, startGuest } from '../start.ts';
import { migrationFacts } from '../transfer/facts.ts';
import { findMemory, halfPlace, removeMemory, wholePlace } from './files.ts';
import { type Gathering, gatherMemory, hasFailed, letGoMemory, memoryNotKept } from './gather.ts';

const POLL_MS = 2;

/** The kept memory of one host's machines. */
export function createGuestMemory(
  context: QemuContext,
  starts: Starts,
  facts: () => Promise<HypervisorFacts>,
): GuestMemory<MachineRequest, MachineHardware> {
  const { files } = context.world;
  const underWay = new Map<string, Gathering>();
  const gathered = (guest: GuestHandle, name: string): Gathering => {
    const known = underWay.get(guest.id);
    if (known?.name === name) return known;
    throw memoryNotKept('it is not being written');
  };
  return {
    gather: async (guest, name, { signal }) => {
      underWay.delete(guest.id);
      underWay.set(guest.id, await gatherMemory(context, guest, name, signal));
    },
    release: (guest, name) => release(context, guest, gathered(guest, name)),
    keep: async (guest, name) => {
      await gathered(guest, name).written;
      const half = halfPlace(guest, name);
      const { sizeBytes = 0 } = (await files.stat(half.state)) ?? {};
      await files.rename(half.directory, wholePlace(guest, name).directory);
      underWay.delete(guest.id);
      return sizeBytes;
    },
    letGo: (guest) => letGoMemory(context, guest),
    remove: (guest, name) => removeMemory(files, guest, name),
    find: (guest, name) => findMemory(files, guest, name),
    wake: (guest, name, { request, hardware }, gate) =>
      starts.begin(guest, async (aborted) => {
        const what = { guest, request, hardware, facts: await facts(), waking: name };
        await startGuest(context, what, gate, aborted);
      }),
  };
}

/** The last of the memory; what the machine is made of is written down beside it before it can change. */
async function release(
  context: QemuContext,
  guest: GuestHandle,
  { name, stillSince }: Gathering,
): Promise<{ stillMs: number }> {
  const { clock, files } = context.world;
  const seen = await lookStanding(context, guest);
  if (seen?.record === undefined) throw memoryNotKept(`${guest.name} went off meanwhile`);
  const { monitor, record } = seen;
  try {
    await monitor.execute('migrate-continue', { state: 'pre-switchover' });
    for (;;) {
      const now = await migrationFacts(monitor);
      if (now.status === 'completed' && now.runState === 'postmigrate') break;
      if (hasFailed(now)) throw memoryNotKept(now.error ?? now.status);
      await clock.sleep(POLL_MS);
    }
    await monitor.execute('cont');
  } catch (error) {
    if (error instanceof QmpError) throw memoryNotKept(error.message);
    throw error;
  }
  const stillMs = Math.round(clock.monotonic() - stillSince);
  const { request, hardware } = record;
  await files.writeAtomic(halfPlace(guest, name).machine, `${JSON.stringify({ request, hardware })}\n`, {
    mode: 0o600,
  });
  return { stillMs };
}
