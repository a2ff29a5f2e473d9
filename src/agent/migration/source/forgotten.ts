/**
 * An API server that was restored from a copy of before a hand-over says that the guest is still the source's, while the target may run it. Only
 * the target knows then.
 */
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../api/cluster.ts';
import { ConfigMap } from '../../../api/core.ts';
import { Host, type HostStatus } from '../../../api/kinds/host.ts';
import { read } from '../../guests/read.ts';
import type { MovePass, MoveWorld } from '../world.ts';
import { after, type SourceStep } from './record.ts';

/** Between two looks at what the target says of itself. */
const WORD_RECHECK_MS = 1_000;

/**
 * True: the change of placement that was asked for may have been made in a past that the API has forgotten, and the target has not said since
 * that it has nothing of it. To be read after the placement, by which the guest would go on here with `epoch`.
 */
export async function mayBeForgotten(
  { guests }: MoveWorld,
  { handle, signal }: MovePass,
  epoch: number,
): Promise<boolean> {
  const outgoing = guests.records.get(handle.id)?.outgoing;
  if (outgoing?.handOver === undefined) return false;
  const cluster = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };
  const data = (await guests.client.find(ConfigMap, cluster, read(signal)))?.data;
  if (!guests.controlPlane.matches(data)) return true;
  const restored = Number(data?.restored ?? 0) || 0;
  if (restored <= (outgoing.incarnation ?? 0)) return false;
  const target = await guests.client.find(Host, { name: outgoing.to }, read(signal));
  // Deleted: by a person who has said that it has nothing.
  if (target === undefined) return false;
  return !hasReported(target.status, restored) || mayHaveIt(target.status, handle.uuid, epoch);
}

/** Says what is waited for. */
export function awaitWord(target: string): SourceStep {
  const message = `the API was restored from an older copy: waiting until ${target} has said that the guest was not handed over to it`;
  return after(WORD_RECHECK_MS, { stage: 'HandingOver', message });
}

function hasReported({ incarnation, inventoryAt }: HostStatus = {}, since: number): boolean {
  return inventoryAt !== undefined && (incarnation ?? 0) >= since;
}

/** What only waits there for the guest has the epoch of the source. */
function mayHaveIt({ guests = [] }: HostStatus = {}, uuid: string, epoch: number): boolean {
  const listed = guests.find((guest) => guest.uuid === uuid);
  return listed !== undefined && (listed.running || listed.epoch >= epoch);
}
