/** IP addresses and networks as numbers, parsed as strictly as Go's net/netip with Kubernetes' extra rules. */
import { isIPv4, isIPv6 } from 'node:net';

/** An address: 32 or 128 bits in one number. */
export class Ip {
  readonly family: 4 | 6;
  readonly bits: bigint;
  constructor(family: 4 | 6, bits: bigint) {
    this.family = family;
    this.bits = bits;
  }
  toString(): string {
    return this.family === 4 ? dotted(this.bits) : compressed(this.bits);
  }
}

/** A network: an address, whose bits beyond the prefix are kept, and the prefix length. */
export class Cidr {
  readonly ip: Ip;
  readonly prefixLength: number;
  constructor(ip: Ip, prefixLength: number) {
    this.ip = ip;
    this.prefixLength = prefixLength;
  }
  toString(): string {
    return `${this.ip}/${this.prefixLength}`;
  }
  /** The address with the bits beyond the prefix cleared. */
  network(): Ip {
    const hostBits = BigInt(width(this.ip.family) - this.prefixLength);
    return new Ip(this.ip.family, (this.ip.bits >> hostBits) << hostBits);
  }
  contains(ip: Ip): boolean {
    const hostBits = BigInt(width(this.ip.family) - this.prefixLength);
    return ip.family === this.ip.family && ip.bits >> hostBits === this.ip.bits >> hostBits;
  }
}

/** undefined for what is no address; zones and IPv4-mapped IPv6 addresses are none in Kubernetes. */
export function parseIp(text: string): Ip | undefined {
  if (isIPv4(text)) return new Ip(4, fold(text.split('.').map(Number), 8n));
  if (!isIPv6(text) || text.includes('%') || /^::ffff:.*\./i.test(text)) return undefined;
  return new Ip(6, fold(groups(text), 16n));
}

export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const ip = parseIp(match?.[1] ?? '');
  const length = Number(match?.[2]);
  return ip && length <= width(ip.family) ? new Cidr(ip, length) : undefined;
}

export function width(family: 4 | 6): number {
  return family === 4 ? 32 : 128;
}

function fold(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((all, part) => (all << bits) | BigInt(part), 0n);
}

/** The eight 16 bit groups of an IPv6 address in any notation. */
function groups(text: string): number[] {
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (embedded) {
    const [a = 0, b = 0, c = 0, d = 0] = (embedded[2] ?? '').split('.').map(Number);
    return groups(`${embedded[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].map((group) => Number.parseInt(group, 16));
}

function dotted(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join('.');
}

/** The canonical text of RFC 5952: the longest run of zero groups becomes `::`. */
function compressed(bits: bigint): string {
  const parts = Array.from({ length: 8 }, (_, index) =>
    ((bits >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  const text = parts.join(':');
  const runs = text.match(/(?:^|:)0(?::0)+(?=:|$)/g) ?? [];
  const longest = runs.reduce(
    (best, run) => (run.replace(/^:/, '').length > best.length ? run.replace(/^:/, '') : best),
    '',
  );
  if (longest === '') return text;
  const at = `:${text}:`.indexOf(`:${longest}:`);
  const before = text.slice(0, Math.max(0, at - 1));
  const after = text.slice(at + longest.length + 1);
  return `${before}::${after}`;
}
