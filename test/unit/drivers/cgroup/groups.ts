/** Control group file systems in memory, v1 and v2, with the refusals of the kernel that matter. */

export const v1Mounts = [
  'proc /proc proc rw 0 0',
  'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0',
  'cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0',
  'cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0',
  'cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0',
  'cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0',
  'cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0',
  'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0',
].join('\n');

export const v2Mounts = 'cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0';

const controlFiles: Record<string, Record<string, string>> = {
  'cpu,cpuacct': { 'cpu.cfs_quota_us': '-1', 'cpu.cfs_period_us': '100000', 'cpu.shares': '1024' },
  cpuset: { 'cpuset.cpus': '', 'cpuset.mems': '', 'cgroup.clone_children': '0' },
  memory: {
    'memory.limit_in_bytes': '9223372036854771712',
    'memory.memsw.limit_in_bytes': '9223372036854771712',
    'memory.use_hierarchy': '1',
    'memory.swappiness': '60',
  },
  pids: { 'pids.max': 'max' },
  freezer: { 'freezer.state': 'THAWED' },
  unified: { 'cgroup.controllers': '', 'cgroup.subtree_control': '' },
  v2: {
    'cgroup.controllers': 'cpu memory pids',
    'cgroup.subtree_control': '',
    'cgroup.freeze': '0',
    'cgroup.events': 'populated 0\nfrozen 0',
    'cpu.max': 'max 100000',
    'cpu.weight': '100',
    'memory.max': 'max',
    'memory.min': '0',
    'memory.swap.max': 'max',
    'memory.stat': 'anon 1000\nfile 99999999\nshmem 24',
    'pids.max': 'max',
  },
};

/** Throws what the kernel answers. */
export function fail(code: string): never {
  throw Object.assign(new Error(code), { code });
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

export type Groups = {
  /** All files by path, those of groups and any other; tests may put more. */
  files: Map<string, string>;
  directories: Set<string>;
  mountPoints: readonly string[];
  /** Where a path's file system is mounted; undefined outside control groups. */
  mountOf(path: string): string | undefined;
  add(path: string): void;
  remove(path: string): void;
  write(path: string, value: string): void;
  isFrozen(pid: number): boolean;
  /** Takes an ended process out of all groups. */
  leaveAll(pid: number): void;
};

export function createGroups(mounts: string): Groups {
  const files = new Map<string, string>([['/proc/self/mounts', mounts]]);
  const directories = new Set<string>();
  const points = mounts.split('\n').map((line) => line.split(' ')[1] ?? '');
  const mountPoints = points.filter((point) => point.startsWith('/sys/fs/cgroup'));
  const mountOf = (path: string) =>
    mountPoints.find((point) => path === point || path.startsWith(`${point}/`));
  const pidsOf = (group: string) =>
    (files.get(`${group}/cgroup.procs`) ?? '').split('\n').filter((pid) => pid !== '');

  function add(path: string): void {
    directories.add(path);
    const mount = mountOf(path) ?? fail('ENOENT');
    const kind = mount === '/sys/fs/cgroup' ? 'v2' : mount.slice('/sys/fs/cgroup/'.length);
    for (const name of ['cgroup.procs', 'tasks']) files.set(`${path}/${name}`, '');
    for (const [name, value] of Object.entries(controlFiles[kind] ?? {})) {
      const isRootCpuset = path === mount && value === '' && name.startsWith('cpuset');
      files.set(`${path}/${name}`, isRootCpuset ? '0-1' : value);
    }
  }

  function remove(path: string): void {
    const occupied = pidsOf(path).length > 0 || [...directories].some((one) => parentOf(one) === path);
    if (occupied) fail('EBUSY');
    directories.delete(path);
    for (const file of files.keys()) if (parentOf(file) === path) files.delete(file);
  }

  function leave(mount: string | undefined, pid: string): void {
    for (const group of directories) {
      if (mount === undefined || mountOf(group) !== mount || !pidsOf(group).includes(pid)) continue;
      files.set(
        `${group}/cgroup.procs`,
        pidsOf(group)
          .filter((one) => one !== pid)
          .join('\n'),
      );
    }
  }

  function enter(group: string, pid: string): void {
    if (files.get(`${group}/cpuset.cpus`) === '') fail('ENOSPC');
    if (files.get(`${group}/cgroup.subtree_control`)) fail('EBUSY');
    leave(mountOf(group), pid);
    files.set(`${group}/cgroup.procs`, [...pidsOf(group), pid].join('\n'));
  }

  function limitMemory(group: string, path: string, value: string): void {
    const bytes = value === '-1' ? '9223372036854771712' : value;
    const after = new Map([...files, [path, bytes]]);
    const memory = Number(after.get(`${group}/memory.limit_in_bytes`));
    if (memory > Number(after.get(`${group}/memory.memsw.limit_in_bytes`))) fail('EINVAL');
    files.set(path, bytes);
  }

  for (const point of mountPoints) add(point);
  return {
    files,
    directories,
    mountPoints,
    mountOf,
    add,
    remove,
    write: (path, value) => {
      if (!files.has(path)) fail('ENOENT');
      const group = parentOf(path);
      if (path.endsWith('/cgroup.procs')) return enter(group, value);
      if (path.endsWith('limit_in_bytes')) return limitMemory(group, path, value);
      const isSubtree = path.endsWith('/cgroup.subtree_control');
      files.set(path, isSubtree ? `${files.get(path)} ${value.slice(1)}`.trim() : value);
      if (path.endsWith('/cgroup.freeze')) files.set(`${group}/cgroup.events`, `frozen ${value}`);
    },
    isFrozen: (pid) =>
      [...directories].some(
        (group) =>
          files.get(`${group}/cgroup.procs`)?.split('\n').includes(String(pid)) &&
          // A frozen group freezes those below it.
          [...files].some(
            ([file, state]) =>
              file.endsWith('/freezer.state') &&
              state === 'FROZEN' &&
              `${group}/`.startsWith(`${parentOf(file)}/`),
          ),
      ),
    leaveAll: (pid) => {
      for (const point of mountPoints) leave(point, String(pid));
    },
  };
}
