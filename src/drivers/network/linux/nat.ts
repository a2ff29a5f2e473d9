/** The NAT network of this host as a whole: bridge, address, rules, forwarding and server; made on first use, mended when a piece is gone. */
import type { World } from '../../../base/world.ts';
import type { HostNetworkConfig } from '../contract.ts';
import { interfacePrefixes, natBridge, natTable } from '../names.ts';
import { addressesExhausted } from '../refusals.ts';
import { createDnsmasq } from './dnsmasq.ts';
import { ensureFirewall, hasFirewall, removeFirewall } from './firewall.ts';
import { bootId, isForwarding, linkNames, routes } from './kernel.ts';
import { keepLeases, readLeases } from './leases.ts';
import { ensureNatBridge, plugIn, removeLinks } from './links.ts';
import { type NetworkState, natReservations } from './state.ts';
import { chooseAddress, chooseSubnet, formatSubnet, overlap, parseSubnet } from './subnet.ts';

export type Nat = {
  readonly bridge: string;
  /** Makes the network unless it stands; `save` keeps the choice of the subnet before the first deed. */
  ensure(state: NetworkState, save: () => Promise<void>): Promise<void>;
  /** As ensure, but looks at every piece and plugs guests in again. */
  mend(state: NetworkState, save: () => Promise<void>): Promise<void>;
  /** A free address for this MAC. Throws ReasonedError AddressesExhausted. */
  chooseAddress(state: NetworkState, mac: string): Promise<string>;
  /** Has the server know the reservations as they are now. */
  publish(state: NetworkState): Promise<void>;
  isActive(): Promise<boolean>;
  leases(): Promise<{ mac: string; address: string }[]>;
  /** Removes all of it; repeatable. */
  remove(state: NetworkState): Promise<void>;
};

/** The NAT network of the configured scope. */
export function createNat(world: World, config: HostNetworkConfig): Nat {
  const { files } = world;
  const { scope } = config;
  const bridge = natBridge(scope);
  const table = natTable(scope);
  const bridgeMac = `02:76:62:${scope.slice(0, 2)}:${scope.slice(2)}:01`;
  const runDirectory = `${config.runDirectory}/network`;
  const leaseFile = `${config.stateDirectory}/leases`;
  const dnsmasq = createDnsmasq(world, { runDirectory, leaseFile });

  const isActive = async () => (await linkNames(files)).has(bridge) && (await dnsmasq.find()) !== undefined;

  const make = async (state: NetworkState, save: () => Promise<void>): Promise<void> => {
    if (state.subnet === undefined) {
      const found = await routes(files);
      // A bridge that stands although its record is lost is still in use by guests: its subnet stays.
      const standing = found.find((route) => route.device === bridge)?.subnet;
      const used = found.map((route) => route.subnet);
      state.subnet = formatSubnet(standing ?? chooseSubnet(parseSubnet(config.natSubnet), used, scope));
      await save();
    }
    const subnet = parseSubnet(state.subnet);
    await ensureNatBridge(world, bridge, subnet, bridgeMac);
    const boot = await bootId(files);
    const forwardingWasOff = state.forwardingOffInBoot === boot;
    if ((await ensureFirewall(world, { table, bridge, subnet, forwardingWasOff })) && !forwardingWasOff) {
      state.forwardingOffInBoot = boot;
      await save();
    }
    await dnsmasq.ensure(bridge, subnet, natReservations(state));
  };

  const isWhole = async (state: NetworkState): Promise<boolean> => {
    if (state.subnet === undefined || !(await isActive()) || !(await isForwarding(files))) return false;
    const subnet = parseSubnet(state.subnet);
    const routed = (await routes(files)).some(
      (route) => route.device === bridge && overlap(route.subnet, subnet),
    );
    return routed && (await hasFirewall(world, table));
  };

  /** Addresses leased to guests that are gone are free only when the server has forgotten them. */
  const forgetOldLeases = async (state: NetworkState): Promise<void> => {
    const macs = new Set(natReservations(state).map((entry) => entry.mac.toLowerCase()));
    const subnet = parseSubnet(state.subnet ?? config.natSubnet);
    await dnsmasq.restart(bridge, subnet, natReservations(state), () => keepLeases(files, leaseFile, macs));
  };

  return {
    bridge,
    isActive,
    ensure: async (state, save) => {
      if (state.subnet === undefined || !(await isActive())) await make(state, save);
    },
    mend: async (state, save) => {
      if (await isWhole(state)) return;
      await make(state, save);
      await plugIn(
        world,
        bridge,
        natReservations(state).map((entry) => entry.ifname),
      );
    },
    chooseAddress: async (state, mac) => {
      const subnet = parseSubnet(state.subnet ?? config.natSubnet);
      const reserved = () => natReservations(state).map((entry) => entry.address);
      const others = (await readLeases(files, leaseFile)).filter((lease) => lease.mac !== mac.toLowerCase());
      const leased = others.map((lease) => lease.address);
      const fresh = chooseAddress(subnet, new Set([...reserved(), ...leased]), mac);
      if (fresh !== undefined) return fresh;
      const reused = chooseAddress(subnet, new Set(reserved()), mac);
      if (reused === undefined) throw addressesExhausted(formatSubnet(subnet));
      await forgetOldLeases(state);
      return reused;
    },
    publish: (state) => dnsmasq.publish(natReservations(state)),
    leases: () => readLeases(files, leaseFile),
    remove: async (state) => {
      await dnsmasq.stop();
      const ours = [...(await linkNames(files))].filter(
        (name) => name === bridge || interfacePrefixes(scope).some((prefix) => name.startsWith(prefix)),
      );
      await removeLinks(world, ours);
      if (state.subnet !== undefined || ours.length > 0) {
        await removeFirewall(world, table, state.forwardingOffInBoot === (await bootId(files)));
      }
      await files.removeTree(runDirectory);
      await files.remove(leaseFile);
    },
  };
}
