/** Names of links, tables and hosts. All derive from the scope, so that agents side by side in one network namespace never meet. */
import { createHash } from 'node:crypto';
import { ReasonedError } from '../../base/outcome.ts';

/** The domain below which guests have names. */
export const guestDomain = 'vireo.internal';

const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const scopePattern = /^[0-9a-f]{4}$/;
const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;

/** The scope itself; throws for anything but four hexadecimal digits, which would not fit into a link's name. */
export function checkedScope(scope: string): string {
  if (!scopePattern.test(scope))
    throw new Error(`the network scope ${JSON.stringify(scope)} is not four hexadecimal digits`);
  return scope;
}

/** The bridge of the NAT network. */
export function natBridge(scope: string): string {
  return `vb${scope}`;
}

/** The nftables table of the NAT network. */
export function natTable(scope: string): string {
  return `vireo_${scope}`;
}

/** What all interfaces made for guests of this scope begin with: taps, and the host's ends of container pairs. */
export function interfacePrefixes(scope: string): string[] {
  return [`vt${scope}`, `vv${scope}`];
}

/** An interface's name: 15 characters, the most that Linux allows (IFNAMSIZ), ending in 36 bits of guest and interface. */
export function interfaceName(scope: string, plug: 'Tap' | 'Veth', guestId: string, nic: string): string {
  const hash = createHash('sha256').update(`${guestId}/${nic}`).digest('hex').slice(0, 9);
  return `${plug === 'Tap' ? 'vt' : 'vv'}${scope}${hash}`;
}

/** Throws ReasonedError NameInvalid for a host or namespace that is no DNS label or a malformed MAC: they go into files of the DHCP server. */
export function checkGuest(guest: { hostname: string; namespace: string }, mac: string): void {
  const bad = [guest.hostname, guest.namespace].find((name) => !label.test(name));
  if (bad !== undefined) throw nameInvalid(`${JSON.stringify(bad)} is no DNS label`);
  if (!macPattern.test(mac)) throw nameInvalid(`${JSON.stringify(mac)} is no MAC address`);
}

function nameInvalid(message: string): ReasonedError {
  return new ReasonedError('NameInvalid', message, { stalled: true });
}
