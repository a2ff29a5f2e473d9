/** Links of guests and of the NAT network, changed by one `ip -batch` each. */
import type { World } from '../../../base/world.ts';
import { runNetworkTool } from './command.ts';
import { linkNames } from './kernel.ts';
import { gatewayOf, type Subnet } from './subnet.ts';

/** Runs lines of `ip` commands in one process, stopping at the first that fails (ip(8), -batch). */
async function ipBatch(world: World, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runNetworkTool(world, ['ip', '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Names of the links that are bridges. */
export async function bridgeNames(world: World): Promise<string[]> {
  const result = await runNetworkTool(world, ['ip', '-json', 'link', 'show', 'type', 'bridge']);
  const links: unknown = result.stdout.trim() === '' ? [] : JSON.parse(result.stdout);
  if (!Array.isArray(links)) return [];
  return links.map((link: unknown) => nameOf(link)).filter((name) => name !== '');
}

function nameOf(link: unknown): string {
  return typeof link === 'object' && link !== null && 'ifname' in link ? String(link.ifname) : '';
}

/**
 * Makes the NAT bridge unless it is there, and its address. Its MAC is fixed: a bridge without one takes the lowest of its ports' and
 * changes it under the guests' neighbour tables. No forwarding delay, or the first DHCP request of each guest is lost.
 */
export async function ensureNatBridge(
  world: World,
  bridge: string,
  subnet: Subnet,
  mac: string,
): Promise<void> {
  const exists = (await linkNames(world.files)).has(bridge);
  const make = `link add name ${bridge} address ${mac} type bridge forward_delay 0 stp_state 0`;
  await ipBatch(world, [
    ...(exists ? [] : [make]),
    `addr replace ${gatewayOf(subnet)}/${subnet.prefix} broadcast + dev ${bridge}`,
    `link set dev ${bridge} up`,
  ]);
}

export type TapWish = { ifname: string; bridge: string; mac: string; ownerUid: number; mtu?: number };

/**
 * Makes a tap, unless it is there, and plugs it into its bridge. `vnet_hdr` lets QEMU pass checksums and large packets through. Its own MAC
 * is the guest's with a high first byte: a bridge takes the lowest MAC of its ports, and a host's bridge must keep that of its card. It is
 * never the guest's own: what is sent to that would end at the host.
 */
export async function ensureTap(world: World, tap: TapWish): Promise<void> {
  const exists = (await linkNames(world.files)).has(tap.ifname);
  const settings = [`address ${tapMac(tap.mac)}`, ...(tap.mtu === undefined ? [] : [`mtu ${tap.mtu}`])];
  await ipBatch(world, [
    ...(exists ? [] : [`tuntap add dev ${tap.ifname} mode tap user ${tap.ownerUid} vnet_hdr`]),
    `link set dev ${tap.ifname} ${settings.join(' ')} master ${tap.bridge} up`,
  ]);
}

/** The MAC of the host's end of a tap. */
export function tapMac(guestMac: string): string {
  return `${guestMac.toLowerCase().startsWith('fe') ? 'fa' : 'fe'}${guestMac.slice(2)}`;
}

/** Plugs links that exist into a bridge that was made anew. */
export async function plugIn(world: World, bridge: string, ifnames: readonly string[]): Promise<void> {
  const present = await linkNames(world.files);
  const lines = ifnames
    .filter((name) => present.has(name))
    .map((name) => `link set dev ${name} master ${bridge} up`);
  await ipBatch(world, lines);
}

/** Removes those of the links that exist. One may vanish meanwhile: a container's pair goes with the container. */
export async function removeLinks(world: World, names: readonly string[]): Promise<void> {
  const present = await linkNames(world.files);
  for (const name of names.filter((link) => present.has(link))) {
    await runNetworkTool(world, ['ip', 'link', 'delete', 'dev', name]).catch(async (error: unknown) => {
      if ((await linkNames(world.files)).has(name)) throw error;
    });
  }
}
