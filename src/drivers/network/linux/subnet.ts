/** Arithmetic on IPv4 subnets, and the choice of one that the host does not use yet. Pure. */
import { createHash } from 'node:crypto';
import { ReasonedError } from '../../../base/outcome.ts';

/** A network by its first address and the length of its prefix. */
export type Subnet = { network: number; prefix: number };

/** Usable host numbers of a /24: .1 is the bridge itself, .255 the broadcast. */
const firstHost = 2;
const lastHost = 254;

/** `10.1.2.0/24` in parts. Throws ReasonedError SubnetInvalid. */
export function parseSubnet(text: string): Subnet {
  const [, a, b, c, d, length] = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text) ?? [];
  const bytes = [a, b, c, d].map(Number);
  const prefix = Number(length);
  if (length === undefined || prefix > 32 || bytes.some((byte) => byte > 255)) {
    throw new ReasonedError('SubnetInvalid', `${JSON.stringify(text)} is no IPv4 subnet like 10.1.2.0/24`, {
      stalled: true,
    });
  }
  const address = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return { network: masked(address, prefix), prefix };
}

/** Dotted form of an address. */
export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The text that parseSubnet reads. */
export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.network)}/${subnet.prefix}`;
}

/** The bridge's own address. */
export function gatewayOf(subnet: Subnet): string {
  return formatAddress(subnet.network + 1);
}

/** True when the two share an address. */
export function overlap(a: Subnet, b: Subnet): boolean {
  const prefix = Math.min(a.prefix, b.prefix);
  return masked(a.network, prefix) === masked(b.network, prefix);
}

/**
 * The preferred /24, or the first free one of those that begin at a place of the scope's own: two agents that start at the same moment do
 * not choose the same. Throws ReasonedError SubnetsExhausted.
 */
export function chooseSubnet(preferred: Subnet, used: readonly Subnet[], scope: string): Subnet {
  if (preferred.prefix !== 24) {
    throw new ReasonedError('SubnetInvalid', `the NAT subnet ${formatSubnet(preferred)} must be a /24`, {
      stalled: true,
    });
  }
  const start = hashOf(scope);
  for (let step = -1; step < 65_536; step += 1) {
    const candidate =
      step < 0 ? preferred : { network: 10 * 2 ** 24 + ((start + step) % 65_536) * 256, prefix: 24 };
    if (!used.some((other) => overlap(candidate, other))) return candidate;
  }
  throw new ReasonedError('SubnetsExhausted', 'the routes of this host leave no /24 of 10.0.0.0/8 free', {
    stalled: true,
  });
}

/**
 * A free address, the same for the same MAC as long as it is free: a guest that is made again finds its old one. Undefined when none is
 * left.
 */
export function chooseAddress(subnet: Subnet, taken: ReadonlySet<string>, mac: string): string | undefined {
  const count = lastHost - firstHost + 1;
  const start = hashOf(mac.toLowerCase());
  for (let step = 0; step < count; step += 1) {
    const address = formatAddress(subnet.network + firstHost + ((start + step) % count));
    if (!taken.has(address)) return address;
  }
  return undefined;
}

function masked(address: number, prefix: number): number {
  const size = 2 ** (32 - prefix);
  return Math.floor(address / size) * size;
}

function hashOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0);
}
