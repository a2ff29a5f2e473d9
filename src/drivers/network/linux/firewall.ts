/**
 * Rules of the NAT network in one nftables table of its own, and forwarding in the kernel. Whether forwarding was off before is noted in
 * the table itself: two agents in one network namespace see each other's note, and the last one to leave turns it off again.
 */
import { ReasonedError } from '../../../base/outcome.ts';
import type { World } from '../../../base/world.ts';
import { runNetworkTool } from './command.ts';
import { isForwarding, setForwarding } from './kernel.ts';
import { formatSubnet, type Subnet } from './subnet.ts';

/** Name of the empty chain that stands for "forwarding was off before". */
const noteChain = 'forwarding_was_off';

/** The rules as nft reads them (nft(8)); replaces what an earlier run left. Golden-tested. */
export function natRules(table: string, bridge: string, subnet: Subnet, forwardingWasOff: boolean): string {
  const guests = formatSubnet(subnet);
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
${forwardingWasOff ? `  chain ${noteChain} {\n  }\n` : ''}  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${guests} oifname != "${bridge}" masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${bridge}" accept
    oifname "${bridge}" ct state established,related accept
    oifname "${bridge}" ct status dnat accept
    oifname "${bridge}" drop
  }
}
`;
}

/** Puts the rules in force and turns forwarding on. Answers true when forwarding was off before any agent touched it. */
export async function ensureFirewall(
  world: World,
  wish: { table: string; bridge: string; subnet: Subnet; forwardingWasOff: boolean },
): Promise<boolean> {
  const noted = wish.forwardingWasOff || (await notedTables(world)).size > 0;
  const wasOff = noted || !(await isForwarding(world.files));
  await runNetworkTool(world, ['nft', '-f', '-'], natRules(wish.table, wish.bridge, wish.subnet, wasOff));
  if (!(await isForwarding(world.files))) {
    await setForwarding(world.files, true).catch((cause: unknown) => {
      const message =
        'the kernel does not let this program turn on forwarding; set net.ipv4.ip_forward=1 on the host';
      throw new ReasonedError('ForwardingBlocked', message, { stalled: true, cause });
    });
  }
  return wasOff;
}

/** True when the table exists. */
export async function hasFirewall(world: World, table: string): Promise<boolean> {
  return (await vireoTables(world)).has(table);
}

/** Removes the table; turns forwarding off if that is how it was found and no other agent needs it. */
export async function removeFirewall(world: World, table: string, forwardingWasOff: boolean): Promise<void> {
  const tables = await vireoTables(world);
  const wasOff = forwardingWasOff || (await notedTables(world)).has(table);
  const last = [...tables].every((name) => name === table);
  // Forwarding first: a crash in between leaves the note for the next try.
  if (wasOff && last) await setForwarding(world.files, false);
  if (tables.has(table)) await runNetworkTool(world, ['nft', 'delete', 'table', 'inet', table]);
}

/** Forward chains of others that drop by default (Docker's): accepting in our own table does not overrule them. */
export async function blockingChains(world: World): Promise<string[]> {
  const result = await runNetworkTool(world, ['nft', '-j', 'list', 'chains']);
  return [...chainsIn(result.stdout)]
    .filter(
      (chain) => chain.hook === 'forward' && chain.policy === 'drop' && ['ip', 'inet'].includes(chain.family),
    )
    .map((chain) => `${chain.family} ${chain.table} ${chain.name}`);
}

type Chain = { family: string; table: string; name: string; hook?: string; policy?: string };

function* chainsIn(json: string): Generator<Chain> {
  const { nftables } = JSON.parse(json) as { nftables?: { chain?: Chain }[] };
  for (const { chain } of nftables ?? []) if (chain !== undefined) yield chain;
}

async function vireoTables(world: World): Promise<Set<string>> {
  const result = await runNetworkTool(world, ['nft', '-j', 'list', 'tables']);
  const { nftables } = JSON.parse(result.stdout) as {
    nftables?: { table?: { family: string; name: string } }[];
  };
  const names = (nftables ?? []).map(({ table }) => (table?.family === 'inet' ? table.name : ''));
  return new Set(names.filter((name) => /^vireo_[0-9a-f]{4}$/.test(name)));
}

async function notedTables(world: World): Promise<Set<string>> {
  const result = await runNetworkTool(world, ['nft', '-j', 'list', 'chains']);
  return new Set(
    [...chainsIn(result.stdout)].filter((chain) => chain.name === noteChain).map((chain) => chain.table),
  );
}
