/**
 * What guests and migrations could leave behind on a machine of a lab: taken before and after, the two must be equal. The NAT network is the
 * host's, stays until `vireo down`, and is looked at by itself.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '../../src/main/layout.ts';
import { controlGroups } from './groups.ts';
import type { Machine } from './machine.ts';

export type Traces = {
  processes: string[];
  links: string[];
  controlGroups: string[];
  /** Below the pools of the agent, images left out. */
  volumes: string[];
  records: string[];
};

export async function traces(machine: Machine): Promise<Traces> {
  const { agent, cgroupRoot } = layoutOf(machine.disk);
  const pools = join(agent, 'pools');
  const volumes = [];
  for (const pool of await list(pools)) volumes.push(...(await volumesIn(join(pools, pool))));
  return {
    processes: await guestProcesses(machine),
    links: (await linksOf(machine)).filter((name) => !isNatBridge(name)),
    controlGroups: await controlGroups(cgroupRoot),
    volumes,
    records: await list(join(agent, 'guests')),
  };
}

/** What is left of the host's own network for guests. */
export async function natTraces(machine: Machine): Promise<string[]> {
  const rules = await machine.run('nft', 'list', 'ruleset');
  return [...(await linksOf(machine)).filter(isNatBridge), ...(rules === '' ? [] : [rules])];
}

async function linksOf(machine: Machine): Promise<string[]> {
  const links = JSON.parse(await machine.run('ip', '-j', 'link')) as { ifname: string }[];
  return links.map(({ ifname }) => ifname).sort();
}

const isNatBridge = (name: string) => /^vb[0-9a-f]{4}$/.test(name);

/** Volumes of a Directory pool, half ones included. */
export async function volumesIn(pool: string): Promise<string[]> {
  const [whole, half] = await Promise.all([list(join(pool, 'volumes')), list(join(pool, '.partial'))]);
  return [...whole, ...half.map((name) => `.partial/${name}`)];
}

const list = async (path: string) => (await readdir(path).catch(() => [])).sort();

async function guestProcesses(machine: Machine): Promise<string[]> {
  const names: string[] = [];
  for (const pid of await machine.pids()) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/qemu|lxc|rsync/.test(command.replaceAll('\0', ' '))) names.push(command.split('\0')[0] ?? '');
  }
  return names.sort();
}
