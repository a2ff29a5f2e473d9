/** What is on this host that Vireo could leave behind: taken before and after, the two must be equal. */
import { mkdir, readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { must, run, until } from './commands.ts';

export type HostState = {
  processes: string[];
  links: string[];
  nft: string;
  mounts: string[];
  cgroups: string[];
  loops: string[];
  subuid: string;
  forwarding: string;
};

export async function hostState(): Promise<HostState> {
  const links = JSON.parse(await must(['ip', '-j', 'link'])) as { ifname: string }[];
  return {
    processes: await guestProcesses(),
    links: links.map(({ ifname }) => ifname).sort(),
    nft: (await run(['nft', 'list', 'ruleset'])).stdout,
    mounts: (await readFile('/proc/self/mounts', 'utf8'))
      .split('\n')
      .filter((line) => /vireo|lxc/.test(line)),
    cgroups: await vireoCgroups(),
    loops: (await run(['losetup', '-a'])).stdout.split('\n').filter((line) => line !== ''),
    subuid: await readFile('/etc/subuid', 'utf8').catch(() => ''),
    forwarding: await readFile('/proc/sys/net/ipv4/ip_forward', 'utf8'),
  };
}

/** Command names of guests and their servants. */
async function guestProcesses(): Promise<string[]> {
  const names: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const name = command.split('\0')[0] ?? '';
    if (/qemu-system|\[lxc monitor\]|lxc-start|dnsmasq|vireo\.js/.test(command)) names.push(name);
  }
  return names.sort();
}

async function vireoCgroups(): Promise<string[]> {
  const found: string[] = [];
  for (const controller of await readdir('/sys/fs/cgroup')) {
    const root = join('/sys/fs/cgroup', controller, 'vireo');
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) found.push(join(entry.parentPath, entry.name));
    }
  }
  return found.sort();
}

/** The pid of the QEMU process with this uuid on its command line. */
export async function qemuPid(uuid: string): Promise<number | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (/qemu-system/.test(args[0] ?? '') && args.some((arg) => arg.includes(uuid)) && (await isLive(pid)))
      return Number(pid);
  }
  return undefined;
}

export async function isLive(pid: number | string): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state !== '' && state !== 'Z' && state !== 'X';
}

/** All pids in control groups whose path has this id, over all controllers. */
export async function cgroupPids(id: string): Promise<number[]> {
  const pids = new Set<number>();
  for (const group of await vireoCgroups()) {
    if (!group.includes(`/${id}`)) continue;
    const text = await readFile(join(group, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const pid of text.split('\n')) if (pid !== '') pids.add(Number(pid));
  }
  return [...pids].sort((a, b) => a - b);
}

/** One hierarchy is enough to find the processes that were started in a group. */
const HIERARCHY = '/sys/fs/cgroup/pids';

/** Makes a control group for processes of a test; gives the file a process joins it by. */
export async function makeGroup(name: string): Promise<string> {
  const path = join(await groupHome(), name);
  await mkdir(path, { recursive: true });
  return join(path, 'cgroup.procs');
}

/** SIGKILLs everything in the group, as a service manager does, until it is empty. */
export async function killGroup(name: string): Promise<void> {
  const file = join(await groupHome(), name, 'cgroup.procs');
  await until(`${name} is empty`, async () => {
    const pids = (await readFile(file, 'utf8')).split('\n').filter((pid) => pid !== '');
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
    return pids.length === 0;
  });
}

export async function removeGroup(name: string): Promise<void> {
  await rmdir(join(await groupHome(), name)).catch(() => {});
}

async function groupHome(): Promise<string> {
  return (await stat(HIERARCHY).catch(() => undefined)) === undefined ? '/sys/fs/cgroup' : HIERARCHY;
}
