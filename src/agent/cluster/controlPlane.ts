/**
 * Whether the control plane may be believed. It proves itself by the ConfigMap `vireo-system/cluster`; this host remembers the id and the
 * highest incarnation it has seen, and starts nothing for a control plane that has gone back in time (an old backup of it was restored).
 */
import { join } from 'node:path';
import type { Files } from '../../base/files.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';

/** What the host knows of its control plane. */
export type Trust =
  | { type: 'Unknown'; reason: string; message: string; id?: string }
  | { type: 'Trusted'; id: string; incarnation: number }
  | { type: 'RolledBack'; reason: string; message: string; id: string };

export type ControlPlane = {
  trust(): Trust;
  /** The highest incarnation this host has seen; undefined before the first. */
  highest(): number | undefined;
  /** The incarnation by which the API was last restored from an older copy, as far as this host has heard; 0: never. */
  restored(): number;
  /** Takes what the ConfigMap says now; a higher incarnation is on disk before it counts. */
  accept(data: Readonly<Record<string, string>> | undefined): Promise<void>;
  /** An object of the same uid was placed with a lower epoch than this host has recorded: the store went back. */
  reportEpoch(guest: string, behind: boolean): void;
  /** Compares a consistently read ConfigMap with what was accepted, without changing anything: no older one, and not restored since. */
  matches(data: Readonly<Record<string, string>> | undefined): boolean;
  readonly changed: Announcement<Trust>;
};

type Memory = { id: string; incarnation: number };
type Offer = Memory & { restored: number };

/** Loads what this host remembers. Throws ReasonedError ClusterMemoryBroken when the file cannot be read as ours. */
export async function openControlPlane(
  files: Pick<Files, 'readText' | 'writeAtomic'>,
  stateDirectory: string,
): Promise<ControlPlane> {
  const path = join(stateDirectory, 'cluster.json');
  let memory = parseMemory(await files.readText(path), path);
  let offered: Offer | undefined;
  const behind = new Set<string>();
  const changed = createAnnouncement<Trust>();

  const trust = (): Trust => judge(memory, offered, behind);
  const announcing = async (change: () => void | Promise<void>): Promise<void> => {
    const known = () => JSON.stringify([trust(), offered?.restored]);
    const before = known();
    await change();
    if (known() !== before) changed.tell(trust());
  };

  return {
    changed,
    trust,
    highest: () => memory?.incarnation,
    restored: () => offered?.restored ?? 0,
    accept: (data) =>
      announcing(async () => {
        const next = parseData(data);
        if (next !== undefined && (memory === undefined || isAhead(next, memory))) {
          const { id, incarnation } = next;
          await files.writeAtomic(path, `${JSON.stringify({ id, incarnation })}\n`);
          memory = { id, incarnation };
        }
        offered = next;
      }),
    reportEpoch: (guest, isBehind) => {
      if (behind.has(guest) === isBehind) return;
      void announcing(() => {
        if (isBehind) behind.add(guest);
        else behind.delete(guest);
      });
    },
    matches: (data) => {
      const next = parseData(data);
      const isLater = next !== undefined && next.id === memory?.id && next.incarnation >= memory.incarnation;
      return isLater && next.restored === offered?.restored;
    },
  };
}

function isAhead(next: Memory, memory: Memory): boolean {
  return next.id === memory.id && next.incarnation > memory.incarnation;
}

function judge(memory: Memory | undefined, offered: Memory | undefined, behind: ReadonlySet<string>): Trust {
  if (memory === undefined || offered === undefined) {
    const message = 'the ConfigMap vireo-system/cluster has not been seen yet: no guest is started';
    const unknown = { type: 'Unknown', reason: 'ControlPlaneUnknown', message } as const;
    return memory === undefined ? unknown : { ...unknown, id: memory.id };
  }
  if (offered.id !== memory.id) {
    return rolledBack(memory.id, 'OtherCluster', 'this host belongs to another cluster: its id differs');
  }
  if (offered.incarnation < memory.incarnation) {
    return rolledBack(memory.id, 'IncarnationBehind', 'the control plane is older than this host has seen');
  }
  if (behind.size > 0) {
    return rolledBack(
      memory.id,
      'EpochBehind',
      'guests are placed with older epochs than this host has recorded',
    );
  }
  return { type: 'Trusted', id: memory.id, incarnation: memory.incarnation };
}

function rolledBack(id: string, reason: string, what: string): Trust {
  const message = `${what}: nothing is started and running guests run on; restore a newer state or confirm with kubectl vireo recover`;
  return { type: 'RolledBack', id, reason, message };
}

function parseData(data: Readonly<Record<string, string>> | undefined): Offer | undefined {
  const incarnation = Number(data?.incarnation);
  if (data?.id === undefined || data.id === '' || !Number.isSafeInteger(incarnation)) return undefined;
  return { id: data.id, incarnation, restored: Number(data.restored ?? 0) || 0 };
}

function parseMemory(text: string | undefined, path: string): Memory | undefined {
  if (text === undefined) return undefined;
  try {
    const { id, incarnation } = JSON.parse(text) as Partial<Memory>;
    if (typeof id === 'string' && typeof incarnation === 'number') return { id, incarnation };
  } catch {
    // Falls through to the error that names the file.
  }
  throw new ReasonedError(
    'ClusterMemoryBroken',
    `${path} cannot be read: restore it, or take it away to trust anew`,
    {
      stalled: true,
    },
  );
}
