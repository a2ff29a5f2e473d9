/** Bridges and whole hosts (network namespaces with a bridge) for tests, each removed by the one who made it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ip = (...args: string[]) => run('ip', args);

export async function makeBridge(name: string): Promise<{ name: string; remove(): Promise<void> }> {
  await ip('link', 'add', name, 'type', 'bridge');
  await ip('link', 'set', name, 'up');
  return {
    name,
    remove: async () => {
      await ip('link', 'del', name);
    },
  };
}

export type TestHost = {
  /** `argv` as it runs on this host: in its network namespace, with the sysfs that belongs to it and the machine's control groups. */
  on(argv: readonly string[]): string[];
  remove(): Promise<void>;
};

/** `ip netns exec` would hide the control groups, and nsenter alone would show the other namespace's interfaces in /sys. */
const enter = [
  'mkdir -p /run/vireo-test-cgroup',
  'mount --rbind /sys/fs/cgroup /run/vireo-test-cgroup',
  'mount -t sysfs sysfs /sys',
  'mount --rbind /run/vireo-test-cgroup /sys/fs/cgroup',
  'umount -l /run/vireo-test-cgroup',
  'exec "$@"',
].join(' && ');

/** A host of its own with the bridge vmbr0. */
export async function makeHost(name: string): Promise<TestHost> {
  await ip('netns', 'add', name);
  await ip('-n', name, 'link', 'set', 'lo', 'up');
  await ip('-n', name, 'link', 'add', 'vmbr0', 'type', 'bridge');
  await ip('-n', name, 'link', 'set', 'vmbr0', 'up');
  const inside = ['nsenter', `--net=/run/netns/${name}`, 'unshare', '-m', '--propagation', 'private'];
  return {
    on: (argv) => [...inside, 'sh', '-c', enter, 'host', ...argv],
    remove: async () => {
      await ip('netns', 'del', name);
      await run('rmdir', ['/run/vireo-test-cgroup']).catch(() => undefined);
    },
  };
}
