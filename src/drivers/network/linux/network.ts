/** The network driver of a Linux host: existing bridges from the host's allow-list, a NAT network of its own, and QEMU's user mode. */
import type { World } from '../../../base/world.ts';
import { createGroupRun, createKeyedLock } from '../../storage/locks.ts';
import type { HostNetworkConfig, NetworkDriver, NicAddresses, NicAttachment, NicWish } from '../contract.ts';
import { checkedScope, checkGuest, interfaceName } from '../names.ts';
import { bridgeMissing, bridgeNotAllowed } from '../refusals.ts';
import { runNetworkTool } from './command.ts';
import { readFacts } from './facts.ts';
import { linkNames, neighbours } from './kernel.ts';
import { bridgeNames, ensureTap, removeLinks } from './links.ts';
import { createNat } from './nat.ts';
import { type NetworkState, type Reservation, readState, reservationKey, writeState } from './state.ts';

export type LinuxNetworkOptions = {
  world: World;
  config: HostNetworkConfig;
  /** Who may open the taps: the user QEMU runs as; default root. */
  tapOwnerUid?: number;
};

type Guest = { id: string; hostname: string; namespace: string };

/** The driver; it reads its state at the first call. Only one program may use a state directory. */
export function createLinuxNetwork(options: LinuxNetworkOptions): NetworkDriver {
  const { world, config, tapOwnerUid = 0 } = options;
  const scope = checkedScope(config.scope);
  const statePath = `${config.stateDirectory}/network.json`;
  const nat = createNat(world, config);
  const lock = createKeyedLock();
  /** Bridges seen to be bridges, and taps plugged in by this program: no need to look again at each pass. */
  const knownBridges = new Set<string>();
  const plugged = new Set<string>();
  /** Keys whose reservation the server has been told since this program began: an earlier one may have died before telling. */
  const announced = new Set<string>();
  let loaded: Promise<NetworkState> | undefined;

  const load = (): Promise<NetworkState> => {
    loaded ??= readState(world.files, statePath);
    const current = loaded;
    current.catch(() => {
      if (loaded === current) loaded = undefined;
    });
    return current;
  };
  const save = createGroupRun(async () => {
    const state = await load();
    await world.files.makeDirectory(config.stateDirectory, { mode: 0o700 });
    await writeState(world.files, statePath, state);
  });
  const publish = createGroupRun(async () => nat.publish(await load()));

  const checkBridge = async (bridge: string): Promise<void> => {
    if (!config.allowedBridges.includes(bridge)) throw bridgeNotAllowed(bridge);
    if (knownBridges.has(bridge) && (await linkNames(world.files)).has(bridge)) return;
    knownBridges.clear();
    for (const name of await bridgeNames(world)) knownBridges.add(name);
    if (!knownBridges.has(bridge)) throw bridgeMissing(bridge);
  };

  /** Chooses name and address in memory, one guest at a time; answers with what stood there before. */
  const reserve = async (
    state: NetworkState,
    guest: Guest,
    nic: NicWish & { to: { type: 'Bridge' | 'Nat' } },
    plug: 'Tap' | 'Veth',
  ): Promise<{ entry: Reservation; before: Reservation | undefined }> => {
    const key = reservationKey(guest.id, nic.name);
    const before = state.reservations.get(key);
    const entry: Reservation = {
      guestId: guest.id,
      nic: nic.name,
      mac: nic.mac.toLowerCase(),
      hostname: guest.hostname,
      namespace: guest.namespace,
      ifname: interfaceName(scope, plug, guest.id, nic.name),
      plug,
      bridge: nic.to.type === 'Bridge' ? nic.to.bridge : nat.bridge,
    };
    if (nic.to.type === 'Nat') {
      const kept = before?.mac === entry.mac ? before.address : undefined;
      entry.address = kept ?? (await nat.chooseAddress(state, entry.mac));
    }
    state.reservations.set(key, entry);
    return { entry, before };
  };

  /** Record on disk, then the server's tables, before the link itself; guests that come together share the writes. */
  const makeKnown = async (
    state: NetworkState,
    entry: Reservation,
    before: Reservation | undefined,
  ): Promise<void> => {
    const key = reservationKey(entry.guestId, entry.nic);
    if (JSON.stringify(before) !== JSON.stringify(entry)) {
      plugged.delete(entry.ifname);
      announced.delete(key);
      try {
        await save();
      } catch (error) {
        if (before === undefined) state.reservations.delete(key);
        else state.reservations.set(key, before);
        throw error;
      }
    }
    if (entry.address === undefined || announced.has(key)) return;
    await publish();
    announced.add(key);
  };

  const attach = async (guest: Guest, nic: NicWish, plug: 'Tap' | 'Veth'): Promise<NicAttachment> => {
    if (nic.to.type === 'User') return { type: 'User' };
    checkGuest(guest, nic.mac);
    const state = await load();
    if (nic.to.type === 'Bridge') await checkBridge(nic.to.bridge);
    else await lock('nat', () => nat.ensure(state, save));
    const wish = { ...nic, to: nic.to };
    const { entry, before } = await lock('reservations', () => reserve(state, guest, wish, plug));
    await makeKnown(state, entry, before);
    const { ifname, bridge } = entry;
    if (plug === 'Veth') return { type: 'Veth', ifname, bridge };
    if (!plugged.has(ifname) || !(await linkNames(world.files)).has(ifname)) {
      const tap = { ifname, bridge, mac: entry.mac, ownerUid: tapOwnerUid };
      await ensureTap(world, nic.mtu === undefined ? tap : { ...tap, mtu: nic.mtu });
      plugged.add(ifname);
    }
    return { type: 'Tap', ifname, bridge };
  };

  /**
   * A machine that goes on from memory asks for no address: it has the one it had when it stood still, which it may have given back since. The kernel
   * asks the reserved ones, and knows at the next look who has answered (ip-neighbour(8), `use`).
   */
  const lookFor = async (state: NetworkState, isSought: (mac: string) => boolean): Promise<void> => {
    const lines = [...state.reservations.values()].flatMap(({ mac, address, bridge }) =>
      address !== undefined && isSought(mac) ? [`neigh replace ${address} dev ${bridge} use\n`] : [],
    );
    if (lines.length === 0) return;
    // Without it the address is known later: that is no reason to keep a guest from anything.
    await runNetworkTool(world, ['ip', '-batch', '-'], lines.join('')).catch(() => undefined);
  };

  return {
    facts: async () => readFacts(world, config, await load(), nat),
    attach: (guest, nic, as) => lock(reservationKey(guest.id, nic.name), () => attach(guest, nic, as)),
    detach: (guestId, nicName) =>
      lock(reservationKey(guestId, nicName), async () => {
        const state = await load();
        const key = reservationKey(guestId, nicName);
        const links = (['Tap', 'Veth'] as const).map((plug) => interfaceName(scope, plug, guestId, nicName));
        await removeLinks(world, links);
        for (const link of links) plugged.delete(link);
        const entry = state.reservations.get(key);
        if (entry === undefined) return;
        state.reservations.delete(key);
        announced.delete(key);
        await save();
        if (entry.address !== undefined) await publish();
      }),
    addresses: async (macs) => {
      const asked = new Set(macs.map((mac) => mac.toLowerCase()));
      const known = [...(await nat.leases()), ...(await neighbours(world.files))];
      await lookFor(await load(), (mac) => asked.has(mac) && known.every((entry) => entry.mac !== mac));
      return macs.map((mac): NicAddresses => {
        const found = known.filter((entry) => entry.mac === mac.toLowerCase()).map((entry) => entry.address);
        return { mac, addresses: [...new Set(found)].sort() };
      });
    },
    holders: async () => [
      ...new Set([...(await load()).reservations.values()].map((entry) => entry.guestId)),
    ],
    teardown: () =>
      lock('nat', async () => {
        await nat.remove(await load());
        await world.files.remove(statePath);
        loaded = undefined;
        plugged.clear();
        announced.clear();
        knownBridges.clear();
      }),
    repair: () =>
      lock('nat', async () => {
        const state = await load();
        const inUse = [...state.reservations.values()].some((entry) => entry.address !== undefined);
        if (!inUse) return;
        await nat.mend(state, save);
        await publish();
      }),
  };
}
