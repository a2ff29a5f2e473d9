/** Snapshots of a running machine: file systems frozen by its agent, and snapshots inside qcow2 files, which only the QEMU that has them open can take. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { GuestSnapshots } from '../contract.ts';
import type { QemuContext } from './context.ts';
import { createGuestCopies } from './copies.ts';
import { askGuestAgent } from './guestAgent.ts';
import { lookStanding } from './look.ts';
import { throttleNode } from './plan/ids.ts';
import { QmpError } from './qmp.ts';
import { machineSockets } from './sockets.ts';

const thawMs = 10_000;
/** A snapshot writes the tables of each disk, and removing one walks them. */
const snapshotMs = 300_000;

export function createGuestSnapshots(context: QemuContext): GuestSnapshots {
  const { world, runDirectory } = context;
  const ask = (id: string, command: string, timeoutMs: number) =>
    askGuestAgent(world, machineSockets(runDirectory, id).guestAgent, command, timeoutMs);
  return {
    copies: createGuestCopies(context),
    freeze: async (guest, { timeoutMs }) => {
      const seen = await lookStanding(context, guest);
      if (seen?.state !== 'Running' || seen.agentConnected !== true) return false;
      try {
        const frozen = await ask(guest.id, 'guest-fsfreeze-freeze', timeoutMs);
        return typeof frozen === 'number' && frozen > 0;
      } catch (error) {
        world.log.warn('file systems could not be frozen', { guest: guest.name, error: String(error) });
        return false;
      }
    },
    thaw: async (guest) => {
      const seen = await lookStanding(context, guest);
      if (seen?.state === 'Running' && seen.agentConnected === true)
        await ask(guest.id, 'guest-fsfreeze-thaw', thawMs);
    },
    take: async (guest, name, disks) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) throw new ReasonedError('SnapshotFailed', `${guest.name} does not run`);
      // All or none (qmp "transaction"). The uppermost node of each disk: QEMU finds the one below that can.
      const actions = disks.map((disk) => ({
        type: 'blockdev-snapshot-internal-sync',
        data: { device: throttleNode(disk), name },
      }));
      try {
        await seen.monitor.execute('transaction', { actions }, { timeoutMs: snapshotMs });
      } catch (error) {
        if (error instanceof QmpError) throw new ReasonedError('SnapshotFailed', error.message);
        throw error;
      }
    },
    remove: async (guest, name, disks) => {
      const seen = await lookStanding(context, guest);
      if (seen === undefined) throw new ReasonedError('SnapshotFailed', `${guest.name} does not run`);
      for (const disk of disks) {
        const values = { device: throttleNode(disk), name };
        await seen.monitor
          .execute('blockdev-snapshot-delete-internal-sync', values, { timeoutMs: snapshotMs })
          .catch((error: unknown) => {
            if (!(error instanceof QmpError && /does not exist/.test(error.message))) throw error;
          });
      }
    },
  };
}
