/** A host made of a network namespace, for the real network driver: every program it runs and every /proc file it reads is that host's. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../src/base/log.ts';
import type { World } from '../../../src/base/world.ts';
import type { NetworkDriver, NicAttachment } from '../../../src/drivers/network/contract.ts';
import { createLinuxNetwork } from '../../../src/drivers/network/linux/network.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { must, run } from '../harness/commands.ts';

export type NetworkHost = {
  world: World;
  directory: string;
  /** A driver of this scope with a state of its own; called again it finds that state. */
  open(scope?: string): NetworkDriver;
  /** Runs a program on this host. */
  exec(...argv: string[]): Promise<string>;
  /** Everything the driver could leave behind. */
  trace(): Promise<string>;
  /** A guest's own namespace, plugged in where the attachment says, with a veth pair as LXC makes it. */
  guest(attachment: NicAttachment, mac: string): Promise<NetworkGuest>;
  remove(): Promise<void>;
};

export type NetworkGuest = {
  exec(...argv: string[]): Promise<string>;
  /** Asks for an address by DHCP; answers with what the server said. */
  requestAddress(tries?: number): Promise<Readonly<Record<string, string>>>;
};

/** Makes a host with the bridges br0 and br1; guests may use br0 and br9, which does not exist. */
export async function makeNetworkHost(): Promise<NetworkHost> {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-net-'));
  const namespace = `vireo-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const namespaces = [namespace];
  await must(['ip', 'netns', 'add', namespace]);
  const enter = (name: string) => ['nsenter', `--net=/run/netns/${name}`];
  const exec = (...argv: string[]) => must([...enter(namespace), ...argv]);
  // A new namespace takes over the machine's own setting, which may be on.
  await exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=0');
  await exec('ip', 'link', 'set', 'lo', 'up');
  await exec('ip', 'link', 'add', 'br0', 'address', '02:00:00:00:b0:00', 'type', 'bridge');
  await exec('ip', 'link', 'add', 'br1', 'type', 'bridge');
  const world = worldIn(enter(namespace));

  return {
    world,
    directory,
    exec,
    open: (scope = 'e2e1') =>
      createLinuxNetwork({
        world,
        config: {
          scope,
          stateDirectory: join(directory, scope, 'state'),
          runDirectory: join(directory, scope, 'run'),
          allowedBridges: ['br0', 'br9'],
          natSubnet: '10.211.7.0/24',
        },
      }),
    trace: async () => {
      const links = await exec('ip', '-o', 'link');
      const forwarding = await exec('cat', '/proc/sys/net/ipv4/ip_forward');
      const processes = (await run(['pgrep', '-af', `dnsmasq.*${directory}`])).stdout;
      return [
        links,
        await exec('ip', 'route'),
        await exec('nft', 'list', 'ruleset'),
        forwarding,
        processes,
      ].join('---\n');
    },
    guest: async (attachment, mac) => {
      if (attachment.type !== 'Veth') throw new Error('a guest of this lab needs a pair');
      const name = `${namespace}-${namespaces.length}`;
      namespaces.push(name);
      await must(['ip', 'netns', 'add', name]);
      const { ifname, bridge } = attachment;
      await exec(
        'ip',
        'link',
        'add',
        ifname,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'address',
        mac,
        'netns',
        name,
      );
      await exec('ip', 'link', 'set', ifname, 'master', bridge, 'up');
      return guestIn(enter(name), directory);
    },
    remove: async () => {
      await endServers(directory);
      for (const name of namespaces.reverse()) await run(['ip', 'netns', 'del', name]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Ends the servers whose pid files lie below `directory`, each only after its own command line has named that directory. */
async function endServers(directory: string): Promise<void> {
  for (const scope of await readdir(directory)) {
    const text = await readFile(join(directory, scope, 'run/network/dnsmasq.pid'), 'utf8').catch(() => '');
    const pid = Number.parseInt(text, 10);
    if (!(pid > 0)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`--conf-file=${directory}/`)) process.kill(pid, 'SIGTERM');
  }
}

/** The real world as seen from another network namespace, as an agent inside it would see it. */
function worldIn(enter: readonly string[]): World {
  const real = realWorld();
  const { files, processes } = real;
  const isNetwork = (path: string) => /^\/proc\/(self\/net|sys\/net)\//.test(path);
  return {
    ...real,
    log: silentLog,
    files: {
      ...files,
      readText: async (path) =>
        isNetwork(path) ? (await processes.run([...enter, 'cat', path])).stdout : files.readText(path),
      writeInPlace: async (path, data) => {
        if (isNetwork(path)) await must([...enter, 'tee', path], { input: data });
        else await files.writeInPlace(path, data);
      },
    },
    processes: {
      ...processes,
      run: (argv, options) => processes.run([...enter, ...argv], options),
      spawnDetached: (argv, options) => processes.spawnDetached([...enter, ...argv], options),
    },
  };
}

async function guestIn(enter: readonly string[], directory: string): Promise<NetworkGuest> {
  const exec = (...argv: string[]) => must([...enter, ...argv]);
  const script = join(directory, 'udhcpc.sh');
  await must(['tee', script], {
    input:
      '#!/bin/sh\n[ "$1" = bound ] && ip addr replace "$ip/$mask" dev "$interface" && ip route replace default via "$router" && env\nexit 0\n',
  });
  await must(['chmod', '+x', script]);
  await exec('ip', 'link', 'set', 'lo', 'up');
  await exec('ip', 'link', 'set', 'eth0', 'up');
  return {
    exec,
    requestAddress: async (tries = 8) => {
      const said = await exec(
        'busybox',
        'udhcpc',
        '-n',
        '-q',
        '-f',
        '-t',
        String(tries),
        '-T',
        '1',
        '-i',
        'eth0',
        '-s',
        script,
        '-x',
        'hostname:pretender',
      );
      const pairs = said
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
      return Object.fromEntries(pairs);
    },
  };
}
