/** Which control group hierarchies the host has mounted, and whether version 1 or 2 rules. Pure: text of /proc/self/mounts in. */

/** One mounted hierarchy. `controllers` is empty for a named one (`name=systemd`) and for the unified one. */
export type Hierarchy = { mount: string; unified: boolean; controllers: readonly string[] };

export type Hierarchies = { version: 0 | 1 | 2; all: readonly Hierarchy[] };

const v1Controllers = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'misc',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);

/**
 * Reads the mount table (proc(5)). One v1 hierarchy with a controller makes the host version 1, as LXC and systemd see it too ("hybrid"):
 * the unified mount is then one more hierarchy to be in, so that nobody who kills by it takes the guests along.
 */
export function parseHierarchies(mounts: string): Hierarchies {
  const found = new Map<string, Hierarchy>();
  for (const line of mounts.split('\n')) {
    const [, point, type, options] = line.split(' ');
    if (point === undefined || options === undefined || (type !== 'cgroup' && type !== 'cgroup2')) continue;
    const mount = unescapeMount(point);
    const words = options.split(',').filter((word) => v1Controllers.has(word) || word.startsWith('name='));
    const key = type === 'cgroup2' ? 'unified' : words.sort().join(',');
    const known = found.get(key);
    if (known?.mount.startsWith('/sys/fs/cgroup')) continue;
    const controllers = type === 'cgroup' ? words.filter((word) => v1Controllers.has(word)) : [];
    found.set(key, { mount, unified: type === 'cgroup2', controllers });
  }
  const all = [...found.values()];
  const version = all.some((hierarchy) => hierarchy.controllers.length > 0)
    ? 1
    : found.has('unified')
      ? 2
      : 0;
  return { version, all };
}

/** The kernel writes space, tab, newline and backslash in mount points as octal. */
function unescapeMount(point: string): string {
  return point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
