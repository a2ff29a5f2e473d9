/** What a kind of guest has of its own; everything else about guests is shared. */
import type { GuestSpec, GuestStatus } from '../../api/guest.ts';
import type { KindDefinition } from '../../api/kind.ts';
import type { KubeObject } from '../../api/meta.ts';
import type {
  GuestHandle,
  GuestMemory,
  GuestSnapshots,
  GuestTransfer,
  HypervisorDriver,
  HypervisorFacts,
} from '../../drivers/hypervisor/contract.ts';
import type { NicAttachment, NicWish } from '../../drivers/network/contract.ts';
import type { VolumeAttachment, VolumeKind } from '../../drivers/storage/contract.ts';

export type GuestObject = KubeObject<GuestSpec, GuestStatus>;

/** A volume the spec asks for. */
export type VolumePlan = {
  name: string;
  pool: string;
  kind: VolumeKind;
  format: 'raw' | 'qcow2';
  /** Absent: the size of the image. */
  sizeBytes?: number;
  image?: string;
  /** Instead of an image: a disk in a Snapshot of this namespace. */
  from?: { snapshot: string; disk: string };
  /** Instead of an image: a disk in the archive of a Backup of this namespace. */
  restore?: { backup: string; disk: string };
  reclaim: 'Delete' | 'Retain';
};

/** What a guest's devices plug into, by the name of the disk or interface. */
export type Attachments = {
  /** `isShared`: other hosts have it, too. */
  volumes: ReadonlyMap<string, { attachment: VolumeAttachment; sizeBytes: number; isShared?: boolean }>;
  nics: ReadonlyMap<string, NicAttachment>;
  idBase: number;
};

/** One kind of guest: from its spec to plain plans for the drivers. All but the driver is pure. */
export type GuestKind<T extends GuestObject, Request, Hardware> = {
  readonly kind: KindDefinition<T>;
  /** Name of its controller. */
  readonly controller: string;
  readonly driver: HypervisorDriver<Request, Hardware>;
  /** Absent: such guests, or this driver's, cannot move while they run. */
  readonly transfer?: GuestTransfer<Request, Hardware>;
  /** Absent: nothing but to let it stand still can be done for snapshots of such guests. */
  readonly snapshots?: GuestSnapshots;
  /** Absent: the memory of such guests cannot be kept. */
  readonly memory?: GuestMemory<Request, Hardware>;
  readonly plugs: 'Tap' | 'Veth';
  volumes(spec: T['spec']): readonly VolumePlan[];
  /** The interfaces with the MAC each has: its own, or derived from the uuid. */
  nics(spec: T['spec'], uuid: string): readonly NicWish[];
  hostname(object: T): string;
  /** Whether it needs a range of user ids (an unprivileged container). */
  needsIdRange(spec: T['spec']): boolean;
  /** Runs as root of the host, which the host must allow. */
  isPrivileged(spec: T['spec']): boolean;
  /** The driver's request. Throws when an attachment of the spec is missing. */
  request(object: T, attachments: Attachments, nics: readonly NicWish[]): Request;
  /** What runs elsewhere as it is to run here: everything the same but what its devices plug into. Throws when one of them is missing. */
  relocate(running: Request, attachments: Attachments): Request;
  /** The pinned hardware of a record, as this kind's driver wrote it. */
  hardware(recorded: unknown): Hardware | undefined;
  /** Values that Vireo resolved, for status.effective. */
  effective(spec: T['spec'], hardware: Hardware | undefined, facts: HypervisorFacts): Record<string, string>;
  console(guest: GuestHandle): { serial?: string; vnc?: string } | undefined;
};

/** The attachment of a device; missing is a mistake of the steps before. */
export function attached<V>(map: ReadonlyMap<string, V>, name: string): V {
  const found = map.get(name);
  if (found === undefined) throw new Error(`nothing is attached for ${name}`);
  return found;
}
