/** Bringing a running machine closer to its request: what QEMU can change now is changed and recorded, the rest is told. */
import type { World } from '../../../base/world.ts';
import { compareRequests, machineChangeRules } from '../changes.ts';
import type { DiskRequest, GuestHandle, MachineRequest, NicRequest, PendingChange } from '../contract.ts';
import { marksOf, removeMarks } from './marks.ts';
import { nicId, throttleNode } from './plan/ids.ts';
import { type QmpConnection, QmpError } from './qmp.ts';
import { type RunRecord, writeRecord } from './record.ts';

/** Growing a qcow2 volume writes its tables anew. */
const resizeMs = 30_000;

/** Applies the Live differences between what runs and what is asked for; returns the others. */
export async function updateMachine(
  world: Pick<World, 'files'>,
  guest: GuestHandle,
  running: { record: RunRecord; monitor: QmpConnection },
  wanted: MachineRequest,
): Promise<PendingChange[]> {
  const { record, monitor } = running;
  const changes = compareRequests(record.request, wanted, machineChangeRules);
  if (changes.some((change) => change.class === 'Live')) {
    const request = {
      ...record.request,
      disks: await inTurn(record.request.disks, (disk) => growDisk(monitor, disk, wanted)),
      networks: await inTurn(record.request.networks, (nic) => switchLink(monitor, nic, wanted)),
    };
    await writeRecord(world.files, guest, { ...record, request });
  }
  return changes.filter((change) => change.class !== 'Live');
}

async function growDisk(
  monitor: QmpConnection,
  disk: DiskRequest,
  wanted: MachineRequest,
): Promise<DiskRequest> {
  const size = wanted.disks.find(({ name }) => name === disk.name)?.sizeBytes ?? disk.sizeBytes;
  if (size <= disk.sizeBytes) return disk;
  // On the uppermost node: it resizes those below it, while resizing one of those leaves it and the guest at the old size.
  const values = { 'node-name': throttleNode(disk.name), size };
  const resize = () => monitor.execute('block_resize', values, { timeoutMs: resizeMs });
  await resize().catch(async (error: unknown) => {
    if (!(error instanceof QmpError)) throw error;
    // Marks of an earlier run that died stand in the way; nobody can use them.
    await removeMarks(monitor, await marksOf(monitor), ({ isWhole }) => !isWhole);
    await resize();
  });
  return { ...disk, sizeBytes: size };
}

async function switchLink(
  monitor: QmpConnection,
  nic: NicRequest,
  wanted: MachineRequest,
): Promise<NicRequest> {
  const linkState = wanted.networks.find(({ name }) => name === nic.name)?.linkState ?? nic.linkState;
  if (linkState === nic.linkState) return nic;
  await monitor.execute('set_link', { name: nicId(nic.name), up: linkState === 'Up' });
  return { ...nic, linkState };
}

/** One after the other: a refusal stops before the next is touched. */
async function inTurn<T>(items: readonly T[], change: (item: T) => Promise<T>): Promise<T[]> {
  const changed: T[] = [];
  for (const item of items) changed.push(await change(item));
  return changed;
}
