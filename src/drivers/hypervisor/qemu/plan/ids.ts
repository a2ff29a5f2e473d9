/** Names of devices and block nodes inside QEMU: told by the plan, used again by commands to the running guest. Pure. */
import { createHash } from 'node:crypto';

/** Longest block node name QEMU takes (BlockDriverState.node_name holds 32 bytes). */
const longestNodeName = 31;

/** Device id of a disk; not limited in length. */
export const diskId = (name: string): string => `disk-${name}`;
/** Device id of an interface: what set_link is told. */
export const nicId = (name: string): string => `nic-${name}`;
/** Backend id of an interface. */
export const netId = (name: string): string => `net-${name}`;
/** Id of the object that holds a disk's limits. */
export const throttleGroupId = (name: string): string => `limits-${name}`;

/** Node of a disk's file. */
export const fileNode = (name: string): string => nodeName('file', name);
/** Node of a disk's format: what block jobs are told. */
export const formatNode = (name: string): string => nodeName('disk', name);
/** Node the guest's device stands on: limits are set here, and block_resize is told it. */
export const throttleNode = (name: string): string => nodeName('limit', name);

/** A long disk name is cut and made unique again by six digits of its hash. */
function nodeName(prefix: string, name: string): string {
  const whole = `${prefix}-${name}`;
  if (whole.length <= longestNodeName) return whole;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 6);
  return `${whole.slice(0, longestNodeName - 7)}-${hash}`;
}

/** Devices that every machine has from its first start, because they cannot be added while it runs. */
export const rootPortId = (index: number): string => `rp${index}`;
/** The ports of a machine whose devices have these addresses, in order. */
export const rootPortIds = (addresses: Readonly<Record<string, string>>): string[] =>
  Object.keys(addresses)
    .filter((id) => /^rp\d+$/.test(id))
    .sort((a, b) => Number(a.slice(2)) - Number(b.slice(2)));
export const scsiController = 'scsi0';
export const serialController = 'vserial0';
export const balloonId = 'balloon0';
export const rngId = 'rng0';
export const vgaId = 'vga0';
/** Label of the guest agent's channel in query-chardev. */
export const agentChannel = 'char-agent';
