/**
 * Names that follow from what a guest is, never from when it was made: uuid, id and MAC derive from (cluster id, kind, namespace,
 * name, device), so they survive re-creation and restore, and nothing has to be written into a spec.
 */
import { createHash } from 'node:crypto';

export type GuestName = { kind: 'VirtualMachine' | 'Container'; namespace: string; name: string };

function digest(...parts: readonly string[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:${part},`);
  return hash.digest();
}

/** The guest's uuid: RFC 9562 version 8 (custom) over SHA-256. */
export function guestUuid(clusterId: string, guest: GuestName): string {
  const bytes = digest('guest', clusterId, guest.kind, guest.namespace, guest.name).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** 13 base32 characters (65 bits) over the uuid: names of files, sockets and control groups. */
export function guestId(uuid: string): string {
  let bits = 0n;
  for (const byte of digest('id', uuid).subarray(0, 9)) bits = (bits << 8n) | BigInt(byte);
  let id = '';
  for (let index = 0; index < 13; index += 1) {
    id += BASE32[Number(bits & 31n)];
    bits >>= 5n;
  }
  return id;
}

/** A locally administered unicast MAC with 46 derived bits, for one interface of the guest with this uuid. */
export function derivedMac(uuid: string, interfaceName: string): string {
  const bytes = digest('mac', uuid, interfaceName).subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
