/** What this host offers to guests' interfaces, and what it lacks, with the remedy. */
import type { World } from '../../../base/world.ts';
import type { HostNetworkConfig, NetworkFacts } from '../contract.ts';
import { programMissing, rootRequired } from './command.ts';
import { blockingChains } from './firewall.ts';
import { mayChangeNetwork } from './kernel.ts';
import { bridgeNames } from './links.ts';
import type { Nat } from './nat.ts';
import type { NetworkState } from './state.ts';

/** Reads everything anew; never throws for what is missing. */
export async function readFacts(
  world: World,
  config: HostNetworkConfig,
  state: NetworkState,
  nat: Nat,
): Promise<NetworkFacts> {
  const existing = new Set(await bridgeNames(world).catch(() => []));
  return {
    bridges: config.allowedBridges.filter((name) => existing.has(name)),
    nat: { bridge: nat.bridge, subnet: state.subnet ?? config.natSubnet, active: await nat.isActive() },
    problems: await problems(world),
  };
}

async function problems(world: World): Promise<NetworkFacts['problems']> {
  const found: NetworkFacts['problems'] = [];
  for (const program of ['ip', 'nft', 'dnsmasq']) {
    if ((await world.processes.which(program)) === undefined) found.push(problemOf(programMissing(program)));
  }
  if (!(await mayChangeNetwork(world.files))) return [...found, problemOf(rootRequired())];
  const chains = await blockingChains(world).catch(() => []);
  if (chains.length > 0) {
    const message = `${chains.join(', ')} drops what guests of the NAT network send; accept it there (Docker: in DOCKER-USER)`;
    found.push({ reason: 'ForwardingBlocked', message });
  }
  return found;
}

function problemOf({ reason, message }: { reason: string; message: string }): {
  reason: string;
  message: string;
} {
  return { reason, message };
}
