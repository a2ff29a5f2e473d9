/** The DHCP and DNS server of the NAT network: a detached dnsmasq that outlives the agent and is found again by its pid file and command line. */
import { ReasonedError } from '../../../base/outcome.ts';
import type { ProcessIdentity } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import { createKeyedLock } from '../../storage/locks.ts';
import { guestDomain } from '../names.ts';
import { programMissing } from './command.ts';
import type { Reservation } from './state.ts';
import { formatAddress, type Subnet } from './subnet.ts';

const startTimeoutMs = 5_000;
const stopTimeoutMs = 3_000;
const pollMs = 5;
const leaseTime = '24h';

export type DnsmasqPlaces = {
  /** Made anew at each start: configuration, hosts, pid file, log. */
  runDirectory: string;
  leaseFile: string;
};

/**
 * The configuration file (dnsmasq(8)). Only reserved guests are served. Names come from the hosts file, never from a guest: what a lease
 * adds to DNS goes, by `dhcp-fqdn`, into a zone that no guest searches.
 */
export function dnsmasqConfig(places: DnsmasqPlaces, bridge: string, subnet: Subnet, user: string): string {
  const run = places.runDirectory;
  return `user=${user}
pid-file=${run}/dnsmasq.pid
log-facility=-
quiet-dhcp
interface=${bridge}
except-interface=lo
bind-interfaces
no-hosts
addn-hosts=${run}/hosts
domain-needed
bogus-priv
local=/${guestDomain}/
domain=lease.${guestDomain}
dhcp-fqdn
dhcp-option=option:domain-name,${guestDomain}
dhcp-range=${formatAddress(subnet.network)},static,255.255.255.0,${leaseTime}
dhcp-hostsfile=${run}/dhcp-hosts
dhcp-leasefile=${places.leaseFile}
dhcp-authoritative
dhcp-ignore-names
no-ping
`;
}

type Served = Reservation & { address: string };

/**
 * The files that dnsmasq reads again on SIGHUP. Without `set:` tags on hosts: dnsmasq 2.90 chains them into its own memory while it answers a
 * guest, frees the chain when it reads the file again, and dies of it.
 */
export function dnsmasqTables(reservations: readonly Served[]): { hosts: string; dhcpHosts: string } {
  const lines = (render: (entry: Served) => string) =>
    reservations.map((entry) => `${render(entry)}\n`).join('');
  return {
    hosts: lines((entry) => `${entry.address} ${entry.hostname}.${entry.namespace}.${guestDomain}`),
    dhcpHosts: lines((entry) => `${entry.mac},${entry.address},${entry.hostname}`),
  };
}

export type Dnsmasq = {
  /** The living server of this network, whoever started it. */
  find(): Promise<ProcessIdentity | undefined>;
  /** Starts the server unless it lives. Throws ReasonedError DnsmasqMissing or DnsmasqFailed with its last words. */
  ensure(bridge: string, subnet: Subnet, reservations: readonly Served[]): Promise<void>;
  /** Writes the reservations and has the server read them; without a server they are only written. */
  publish(reservations: readonly Served[]): Promise<void>;
  /** Ends the server, lets `whileDown` change its files, and starts it again. */
  restart(
    bridge: string,
    subnet: Subnet,
    reservations: readonly Served[],
    whileDown: () => Promise<void>,
  ): Promise<void>;
  /** Ends the server; nothing there is no error. */
  stop(): Promise<void>;
};

/** The server with these places. */
export function createDnsmasq(world: World, places: DnsmasqPlaces): Dnsmasq {
  const { files, processes, clock } = world;
  const run = places.runDirectory;
  const configPath = `${run}/dnsmasq.conf`;
  const pidPath = `${run}/dnsmasq.pid`;
  const logPath = `${run}/dnsmasq.log`;
  const lock = createKeyedLock();
  let known: ProcessIdentity | undefined;

  const find = async (): Promise<ProcessIdentity | undefined> => {
    if (known !== undefined && (await processes.isAlive(known))) return known;
    known = undefined;
    const pid = Number.parseInt((await files.readText(pidPath)) ?? '', 10);
    if (!(pid > 0)) return undefined;
    const identity = await processes.identify(pid);
    const commandLine = (await files.readText(`/proc/${pid}/cmdline`)) ?? '';
    // The pid may belong to another program by now; only our server has our configuration on its command line.
    if (identity !== undefined && commandLine.split('\0').includes(`--conf-file=${configPath}`))
      known = identity;
    return known;
  };

  const write = async (reservations: readonly Served[]): Promise<void> => {
    const tables = dnsmasqTables(reservations);
    await Promise.all([
      files.writeAtomic(`${run}/hosts`, tables.hosts),
      files.writeAtomic(`${run}/dhcp-hosts`, tables.dhcpHosts),
    ]);
  };

  const start = async (): Promise<void> => {
    const program = await processes.which('dnsmasq');
    if (program === undefined) throw programMissing('dnsmasq');
    await files.remove(pidPath);
    await files.remove(logPath);
    const argv = [program, '--keep-in-foreground', `--conf-file=${configPath}`];
    const { exited } = await processes.spawnDetached(argv, { outputPath: logPath });
    let code: number | undefined;
    void exited.then((value) => {
      code = value;
    });
    const deadline = clock.monotonic() + startTimeoutMs;
    // The pid file is written when all sockets are open.
    while ((await find()) === undefined) {
      if (code !== undefined || clock.monotonic() > deadline) throw await failedToStart();
      await clock.sleep(pollMs);
    }
  };

  const failedToStart = async (): Promise<ReasonedError> => {
    const said = ((await files.readText(logPath)) ?? '').trim().split('\n').slice(-2).join(' ');
    return new ReasonedError(
      'DnsmasqFailed',
      `dnsmasq did not start: ${said.slice(0, 300) || 'it said nothing'}`,
    );
  };

  const ensure: Dnsmasq['ensure'] = async (bridge, subnet, reservations) => {
    if ((await find()) !== undefined) return;
    await files.makeDirectory(run, { mode: 0o755 });
    await write(reservations);
    const user = (await isReadableByAll(world, run)) ? 'dnsmasq' : 'root';
    await files.writeAtomic(configPath, dnsmasqConfig(places, bridge, subnet, user));
    await start();
  };

  const stop = async (): Promise<void> => {
    const server = await find();
    if (server === undefined) return;
    await processes.signal(server, 'SIGTERM');
    const deadline = clock.monotonic() + stopTimeoutMs;
    while (await processes.isAlive(server)) {
      if (clock.monotonic() > deadline) await processes.signal(server, 'SIGKILL');
      await clock.sleep(pollMs);
    }
    known = undefined;
  };

  return {
    find,
    ensure: (...wish) => lock('server', () => ensure(...wish)),
    publish: async (reservations) => {
      await write(reservations);
      const server = await find();
      if (server !== undefined) await processes.signal(server, 'SIGHUP');
    },
    restart: (bridge, subnet, reservations, whileDown) =>
      lock('server', async () => {
        await stop();
        await whileDown();
        await ensure(bridge, subnet, reservations);
      }),
    stop: () => lock('server', stop),
  };
}

/** After start dnsmasq is an ordinary user, who must still reach the files it reads again; in a private directory it has to stay root. */
async function isReadableByAll(world: World, directory: string): Promise<boolean> {
  for (let path = directory; path !== ''; path = path.slice(0, path.lastIndexOf('/'))) {
    const stat = await world.files.stat(path);
    if (stat === undefined || (stat.mode & 0o001) === 0) return false;
  }
  return (await world.files.readText('/etc/passwd'))?.includes('\ndnsmasq:') === true;
}
