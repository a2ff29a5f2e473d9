/**
 * Kubernetes' ip, cidr and url libraries in rules.
 * https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-ip-address-library
 */
import type { Environment } from '@marcbachmann/cel-js';
import { Cidr, Ip, parseCidr, parseIp } from './addresses.ts';

class IpNamespace {}

const ipType = 'net.IP';
const cidrType = 'net.CIDR';
const urlType = 'kubernetes.URL';

export function registerNetwork(environment: Environment): void {
  registerIp(environment);
  registerCidr(environment);
  registerUrl(environment);
}

function registerIp(environment: Environment): void {
  const is = (name: string, test: (ip: Ip) => boolean) =>
    environment.registerFunction(`${ipType}.${name}(): bool`, test);
  environment
    .registerType(ipType, Ip)
    .registerFunction(`ip(string): ${ipType}`, needIp)
    .registerFunction('isIP(string): bool', (text: string) => parseIp(text) !== undefined)
    .registerFunction(`string(${ipType}): string`, String)
    .registerOperator(`${ipType} == ${ipType}`, (a: Ip, b: Ip) => a.family === b.family && a.bits === b.bits)
    .registerFunction(`${ipType}.family(): int`, (ip: Ip) => BigInt(ip.family))
    .registerType('IpNamespace', IpNamespace)
    .registerConstant('ip', 'IpNamespace', new IpNamespace())
    .registerFunction(
      'IpNamespace.isCanonical(string): bool',
      (_: unknown, text: string) => String(needIp(text)) === text,
    );
  is('isUnspecified', ({ bits }) => bits === 0n);
  is('isLoopback', (ip) => (ip.family === 4 ? within(ip, '127.0.0.0/8') : ip.bits === 1n));
  is('isLinkLocalMulticast', (ip) => within(ip, ip.family === 4 ? '224.0.0.0/24' : 'ff02::/16'));
  is('isLinkLocalUnicast', (ip) => within(ip, ip.family === 4 ? '169.254.0.0/16' : 'fe80::/10'));
  is('isGlobalUnicast', isGlobalUnicast);
}

function registerCidr(environment: Environment): void {
  environment
    .registerType(cidrType, Cidr)
    .registerFunction(`cidr(string): ${cidrType}`, needCidr)
    .registerFunction('isCIDR(string): bool', (text: string) => parseCidr(text) !== undefined)
    .registerFunction(`string(${cidrType}): string`, String)
    .registerOperator(
      `${cidrType} == ${cidrType}`,
      (a: Cidr, b: Cidr) => a.prefixLength === b.prefixLength && String(a.ip) === String(b.ip),
    )
    .registerFunction(`${cidrType}.containsIP(${ipType}): bool`, (cidr: Cidr, ip: Ip) => cidr.contains(ip))
    .registerFunction(`${cidrType}.containsIP(string): bool`, (cidr: Cidr, text: string) =>
      cidr.contains(needIp(text)),
    )
    .registerFunction(`${cidrType}.containsCIDR(${cidrType}): bool`, containsCidr)
    .registerFunction(`${cidrType}.containsCIDR(string): bool`, (cidr: Cidr, text: string) =>
      containsCidr(cidr, needCidr(text)),
    )
    .registerFunction(`${cidrType}.ip(): ${ipType}`, (cidr: Cidr) => cidr.ip)
    .registerFunction(
      `${cidrType}.masked(): ${cidrType}`,
      (cidr: Cidr) => new Cidr(cidr.network(), cidr.prefixLength),
    )
    .registerFunction(`${cidrType}.prefixLength(): int`, (cidr: Cidr) => BigInt(cidr.prefixLength));
}

function registerUrl(environment: Environment): void {
  const part = (name: string, read: (url: URL) => string) =>
    environment.registerFunction(`${urlType}.${name}(): string`, read);
  environment
    .registerType(urlType, URL)
    .registerFunction(`url(string): ${urlType}`, (text: string) => {
      const url = parseUrl(text);
      if (!url) throw new Error(`URL parse error during conversion from string: ${text}`);
      return url;
    })
    .registerFunction('isURL(string): bool', (text: string) => parseUrl(text) !== undefined);
  part('getScheme', (url) => (url.host === placeholder ? '' : url.protocol.slice(0, -1)));
  part('getHost', (url) => (url.host === placeholder ? '' : url.host));
  part('getHostname', (url) => (url.host === placeholder ? '' : url.hostname.replace(/^\[|\]$/g, '')));
  part('getPort', (url) => url.port);
  part('getEscapedPath', (url) => url.pathname);
  environment.registerFunction(`${urlType}.getQuery(): map<string, list<string>>`, (url: URL) =>
    Object.fromEntries([...url.searchParams.keys()].map((name) => [name, url.searchParams.getAll(name)])),
  );
}

/** The host of URLs that have none: an absolute path is a URL for Kubernetes and none for WHATWG. */
const placeholder = 'path-only.invalid';

function parseUrl(text: string): URL | undefined {
  if (text.startsWith('/')) return new URL(text, `http://${placeholder}`);
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
}

function needIp(text: string): Ip {
  const ip = parseIp(text);
  if (!ip) throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return ip;
}

function needCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`network address parse error during conversion from string: ${text}`);
  return cidr;
}

function within(ip: Ip, network: string): boolean {
  return needCidr(network).contains(ip);
}

function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return outer.prefixLength <= inner.prefixLength && outer.contains(inner.network());
}

/** As Go's net/netip: neither unspecified, loopback, multicast, link-local nor the IPv4 broadcast address. */
function isGlobalUnicast(ip: Ip): boolean {
  const others =
    ip.family === 4
      ? ['0.0.0.0/32', '127.0.0.0/8', '224.0.0.0/4', '169.254.0.0/16', '255.255.255.255/32']
      : ['::/128', '::1/128', 'ff00::/8', 'fe80::/10'];
  return !others.some((network) => within(ip, network));
}
