/**
 * What the kernel says of the network in /proc, without a process and always for this program's own network namespace: /sys may be
 * mounted for another one.
 */
import type { Files } from '../../../base/files.ts';
import type { Subnet } from './subnet.ts';

export type Route = { device: string; subnet: Subnet };
export type Neighbour = { address: string; mac: string };

const forwardingPath = '/proc/sys/net/ipv4/ip_forward';
/** Bit of CAP_NET_ADMIN (capabilities(7)). */
const netAdminBit = 12n;

/** Names of all links (proc_pid_net(5), `dev`). */
export async function linkNames(files: Files): Promise<Set<string>> {
  const text = (await files.readText('/proc/self/net/dev')) ?? '';
  const names = text
    .split('\n')
    .slice(2)
    .map((line) => line.slice(0, line.indexOf(':')).trim());
  return new Set(names.filter((name) => name !== ''));
}

/** IPv4 routes of the main table without default routes. */
export async function routes(files: Files): Promise<Route[]> {
  const text = (await files.readText('/proc/self/net/route')) ?? '';
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 8 && fields[7] !== '00000000')
    .map((fields) => ({
      device: fields[0] ?? '',
      subnet: { network: littleEndian(fields[1] ?? ''), prefix: bitsSet(littleEndian(fields[7] ?? '')) },
    }));
}

/** Completed entries of the IPv4 neighbour table. */
export async function neighbours(files: Files): Promise<Neighbour[]> {
  const text = (await files.readText('/proc/self/net/arp')) ?? '';
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 6 && fields[3] !== '00:00:00:00:00:00')
    .map((fields) => ({ address: fields[0] ?? '', mac: (fields[3] ?? '').toLowerCase() }));
}

/** True when the kernel forwards IPv4 packets between links. Throws when it does not say: a guess would be "restored" at teardown. */
export async function isForwarding(files: Files): Promise<boolean> {
  const text = (await files.readText(forwardingPath))?.trim();
  if (text !== '0' && text !== '1') throw new Error(`${forwardingPath} is unreadable`);
  return text === '1';
}

/** Names this boot of the kernel: forwarding is back at its default after the next. */
export async function bootId(files: Files): Promise<string> {
  return ((await files.readText('/proc/sys/kernel/random/boot_id')) ?? '').trim();
}

/** Turns forwarding on or off for this network namespace. */
export async function setForwarding(files: Files, wanted: boolean): Promise<void> {
  await files.writeInPlace(forwardingPath, wanted ? '1' : '0');
}

/** True when this program may change links and rules. */
export async function mayChangeNetwork(files: Files): Promise<boolean> {
  const status = (await files.readText('/proc/self/status')) ?? '';
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> netAdminBit) & 1n) === 1n;
}

function littleEndian(hex: string): number {
  const bytes = hex.match(/../g) ?? [];
  return bytes.reverse().reduce((sum, byte) => sum * 256 + Number.parseInt(byte, 16), 0);
}

function bitsSet(mask: number): number {
  return mask.toString(2).split('1').length - 1;
}
