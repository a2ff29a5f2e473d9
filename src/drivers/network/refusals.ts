/** The refusals every network driver gives in the same words. */
import { ReasonedError } from '../../base/outcome.ts';

/** The host's allow-list does not name the bridge. */
export function bridgeNotAllowed(bridge: string): ReasonedError {
  const message = `this host does not allow guests on the bridge ${bridge}: add it to bridges in its agent.yaml`;
  return new ReasonedError('NotAllowed', message, { stalled: true });
}

/** Not stalled: the guest goes on by itself when the bridge appears. */
export function bridgeMissing(bridge: string): ReasonedError {
  return new ReasonedError('BridgeMissing', `this host has no bridge ${bridge}; make it, or choose another`);
}

/** Every address of the NAT network is given away. */
export function addressesExhausted(subnet: string): ReasonedError {
  return new ReasonedError(
    'AddressesExhausted',
    `no address is left in ${subnet}; delete guests or use a bridge`,
  );
}
