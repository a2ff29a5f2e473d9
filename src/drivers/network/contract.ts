/** What a network driver is: it gives guests' interfaces something to plug into on this host, and takes it away again. */

/** `Bridge`: an existing bridge of the host; `Nat`: this host's own NAT network, made on first use; `User`: QEMU's user-mode stack, no root. */
export type NicWish = {
  name: string;
  mac: string;
  mtu?: number;
  to: { type: 'Bridge'; bridge: string } | { type: 'Nat' } | { type: 'User' };
};

/** What the hypervisor plugs in. Tap: an interface that exists, owned by `user`. Veth: the names LXC is to make. */
export type NicAttachment =
  | { type: 'Tap'; ifname: string; bridge: string }
  | { type: 'Veth'; ifname: string; bridge: string }
  | { type: 'User' };

export type NicAddresses = { mac: string; addresses: string[] };

export type NetworkFacts = {
  /** Existing bridges guests may use. */
  bridges: string[];
  nat?: { bridge: string; subnet: string; active: boolean };
  /** Named shortages: `NftMissing`, `DnsmasqMissing`, `ForwardingBlocked`, `RootRequired` with what to do. */
  problems: { reason: string; message: string }[];
};

export type NetworkDriver = {
  facts(): Promise<NetworkFacts>;
  /**
   * Makes what one interface needs (repeatable). For `Nat` the network itself too: bridge, address, DHCP and DNS, masquerading; the guest
   * gets a fixed address and the DNS name `<hostname>.<namespace>.vireo.internal`. Throws ReasonedError: BridgeMissing (names it), NotAllowed...
   */
  attach(
    guest: { id: string; hostname: string; namespace: string },
    nic: NicWish,
    as: 'Tap' | 'Veth',
  ): Promise<NicAttachment>;
  /** Removes the interface and its DHCP reservation; nothing there is no error. */
  detach(guestId: string, nicName: string): Promise<void>;
  /** Addresses by MAC as the host knows them (reservations handed out, neighbour table). */
  addresses(macs: readonly string[]): Promise<NicAddresses[]>;
  /** Guest ids that hold interfaces or reservations here: for removing unrecorded ones. */
  holders(): Promise<string[]>;
  /** Ends DHCP and removes bridge, rules and interfaces this host's driver made. */
  teardown(): Promise<void>;
  /** Brings the NAT network back if it is in use (after a reboot, a killed dnsmasq). */
  repair(): Promise<void>;
};

/** Names derive from `scope` (4 hex characters of the state directory) so that two agents never meet. */
export type HostNetworkConfig = {
  scope: string;
  stateDirectory: string;
  runDirectory: string;
  allowedBridges: readonly string[];
  /** Preferred NAT subnet (CIDR, /24); another free one is taken when a route of the host overlaps. */
  natSubnet: string;
};
