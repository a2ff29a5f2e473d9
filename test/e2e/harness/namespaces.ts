/** Hosts made of network and mount namespaces, joined by a switch: what a test needs to run several agents on one machine. */
import { must, run } from './commands.ts';

export type NamespaceHost = { name: string; address: string; wrap(command: readonly string[]): string[] };

export type NamespaceLab = { hosts: NamespaceHost[]; dispose(): Promise<void> };

/**
 * `count` hosts whose names start with `prefix`, at most six characters. The first is the switch too. Inside, /sys shows the namespace's own
 * interfaces and the control groups stay where they are: ip-netns(8) alone would hide them.
 */
export async function makeHosts(prefix: string, count: number): Promise<NamespaceLab> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
  const home = `${prefix}1`;
  const dispose = async () => {
    for (const name of names) await run(['ip', 'netns', 'delete', name]);
  };
  try {
    for (const name of names) {
      await must(['ip', 'netns', 'add', name]);
      await must(['ip', '-n', name, 'link', 'set', 'lo', 'up']);
    }
    await must(['ip', '-n', home, 'link', 'add', 'sw0', 'type', 'bridge']);
    await must(['ip', '-n', home, 'addr', 'add', '10.211.0.1/24', 'dev', 'sw0']);
    await must(['ip', '-n', home, 'link', 'set', 'sw0', 'up']);
    for (const [index, name] of names.entries()) {
      if (name === home) continue;
      const port = `p${index + 1}`;
      await must([
        'ip',
        '-n',
        name,
        'link',
        'add',
        'up0',
        'type',
        'veth',
        'peer',
        'name',
        port,
        'netns',
        home,
      ]);
      await must(['ip', '-n', home, 'link', 'set', port, 'master', 'sw0', 'up']);
      await must(['ip', '-n', name, 'addr', 'add', `10.211.0.${index + 1}/24`, 'dev', 'up0']);
      await must(['ip', '-n', name, 'link', 'set', 'up0', 'up']);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  const hosts = names.map((name, index) => ({
    name,
    address: `10.211.0.${index + 1}`,
    wrap: (command: readonly string[]) => [
      ...['nsenter', `--net=/run/netns/${name}`, 'unshare', '--mount', '--propagation', 'private'],
      ...['sh', '-c', KEEP_CGROUPS, 'sh', ...command],
    ],
  }));
  return { hosts, dispose };
}

const KEEP_CGROUPS = [
  'set -e',
  'spare=$(mktemp -d)',
  'mount --rbind /sys/fs/cgroup "$spare"',
  'mount -t sysfs sysfs /sys',
  'mount --rbind "$spare" /sys/fs/cgroup',
  'umount -l "$spare"',
  'rmdir "$spare"',
  'exec "$@"',
].join('; ');
