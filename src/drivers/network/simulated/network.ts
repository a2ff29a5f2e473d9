/** A network that exists in one state file: for simulated hosts and fast tests. Addresses follow from the MAC; latency and faults can be set. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';
import { createGroupRun } from '../../storage/locks.ts';
import type { NetworkDriver, NetworkFacts, NicAttachment, NicWish } from '../contract.ts';
import { checkGuest, interfaceName, natBridge } from '../names.ts';
import { bridgeMissing, bridgeNotAllowed } from '../refusals.ts';

export type SimulatedNetworkFaults = {
  problems?: NetworkFacts['problems'];
  /** What each attach fails with. */
  attachFailure?: { reason: string; message: string };
};

export type SimulatedNetworkOptions = {
  world: World;
  stateFile: string;
  /** Bridges the simulated host has; default vmbr0. */
  bridges?: readonly string[];
  /** Bridges guests may use; default those it has. */
  allowedBridges?: readonly string[];
  /** Time each change takes; default 1 ms. */
  latencyMs?: number;
  faults?: () => SimulatedNetworkFaults;
};

type Plug = { guestId: string; nic: string; mac: string; address?: string };

const scope = '5173';

/** The simulated driver. */
export function createSimulatedNetwork(options: SimulatedNetworkOptions): NetworkDriver {
  const { world, stateFile, bridges = ['vmbr0'], allowedBridges = bridges, latencyMs = 1 } = options;
  const faults = options.faults ?? ((): SimulatedNetworkFaults => ({}));
  let loaded: Promise<Map<string, Plug>> | undefined;
  const load = () => {
    loaded ??= readPlugs(world, stateFile);
    return loaded;
  };
  const save = createGroupRun(async () => {
    await world.files.makeDirectory(dirname(stateFile));
    await world.files.writeAtomic(stateFile, JSON.stringify([...(await load()).values()]));
  });

  return {
    facts: async () => {
      const active = [...(await load()).values()].some((plug) => plug.address !== undefined);
      return {
        bridges: allowedBridges.filter((name) => bridges.includes(name)),
        nat: { bridge: natBridge(scope), subnet: '10.0.0.0/8', active },
        problems: [...(faults().problems ?? [])],
      };
    },
    attach: async (guest, nic, as): Promise<NicAttachment> => {
      if (nic.to.type === 'User') return { type: 'User' };
      checkGuest(guest, nic.mac);
      const bridge = checkedBridge(nic.to, bridges, allowedBridges);
      const { attachFailure } = faults();
      if (attachFailure !== undefined) throw new ReasonedError(attachFailure.reason, attachFailure.message);
      const plugs = await load();
      const key = `${guest.id}/${nic.name}`;
      const plug = planPlug(plugs, guest.id, nic);
      if (JSON.stringify(plugs.get(key)) !== JSON.stringify(plug)) {
        await world.clock.sleep(latencyMs);
        plugs.set(key, plug);
        await save();
      }
      return { type: as, ifname: interfaceName(scope, as, guest.id, nic.name), bridge };
    },
    detach: async (guestId, nicName) => {
      if ((await load()).delete(`${guestId}/${nicName}`)) await save();
    },
    addresses: async (macs) => {
      const plugs = [...(await load()).values()];
      return macs.map((mac) => ({ mac, addresses: addressesOf(plugs, mac) }));
    },
    holders: async () => [...new Set([...(await load()).values()].map((plug) => plug.guestId))],
    teardown: async () => {
      (await load()).clear();
      await world.files.remove(stateFile);
    },
    repair: async () => {},
  };
}

async function readPlugs(world: World, stateFile: string): Promise<Map<string, Plug>> {
  const text = await world.files.readText(stateFile);
  const plugs = text === undefined ? [] : (JSON.parse(text) as Plug[]);
  return new Map(plugs.map((plug) => [`${plug.guestId}/${plug.nic}`, plug]));
}

function checkedBridge(
  to: { type: 'Bridge'; bridge: string } | { type: 'Nat' },
  bridges: readonly string[],
  allowed: readonly string[],
): string {
  if (to.type === 'Nat') return natBridge(scope);
  if (!allowed.includes(to.bridge)) throw bridgeNotAllowed(to.bridge);
  if (!bridges.includes(to.bridge)) throw bridgeMissing(to.bridge);
  return to.bridge;
}

/** The address is read off the MAC, one further for each guest that has it already: the same set of guests gets the same addresses. */
function planPlug(plugs: ReadonlyMap<string, Plug>, guestId: string, nic: NicWish): Plug {
  const mac = nic.mac.toLowerCase();
  const plug = { guestId, nic: nic.name, mac };
  if (nic.to.type !== 'Nat') return plug;
  const known = plugs.get(`${guestId}/${nic.name}`);
  if (known?.mac === mac && known.address !== undefined) return { ...plug, address: known.address };
  const taken = new Set([...plugs.values()].map((other) => other.address));
  const hash = createHash('sha256').update(mac).digest();
  for (let number = hash.readUIntBE(0, 3); ; number += 1) {
    const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255 || 1}`;
    if (!taken.has(address)) return { ...plug, address };
  }
}

function addressesOf(plugs: readonly Plug[], mac: string): string[] {
  const found = plugs.filter((plug) => plug.mac === mac.toLowerCase()).map((plug) => plug.address);
  return found.filter((address) => address !== undefined);
}
