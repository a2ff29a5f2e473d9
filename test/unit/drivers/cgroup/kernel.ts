/** A small kernel for tests: control group file systems in memory with the refusals that matter, and processes that die unless frozen. */
import type { Clock } from '../../../../src/base/clock.ts';
import type { FileStat, Files } from '../../../../src/base/files.ts';
import type { Processes, ProcessIdentity } from '../../../../src/base/processes.ts';

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
  'cpu,cpuacct': { 'cpu.cfs_quota_us': '-1', 'cpu.cfs_period_us': '100000' },
  cpuset: { 'cpuset.cpus': '', 'cpuset.mems': '' },
  memory: {
    'memory.limit_in_bytes': '9223372036854771712',
    'memory.memsw.limit_in_bytes': '9223372036854771712',
    'memory.use_hierarchy': '1',
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
    'memory.max': 'max',
    'memory.swap.max': 'max',
    'memory.stat': 'anon 1000\nfile 99999999\nshmem 24',
    'pids.max': 'max',
  },
};

export type FakeKernel = {
  files: Files;
  processes: Processes;
  clock: Clock;
  /** Every write, as `path=value`, in order. */
  writes: string[];
  spawn(pid: number): void;
  alive(pid: number): boolean;
  has(path: string): boolean;
  text(path: string): string | undefined;
  put(path: string, value: string): void;
};

export function fakeKernel(
  mounts: string,
  options: { readOnly?: boolean; immortal?: number } = {},
): FakeKernel {
  const files = new Map<string, string>([['/proc/self/mounts', mounts]]);
  const directories = new Set<string>();
  const living = new Set<number>();
  const writes: string[] = [];
  let now = 0;

  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/'));
  const mountPoints = mounts
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith('/sys/fs/cgroup'));
  const mountOf = (path: string) =>
    mountPoints.find((point) => path === point || path.startsWith(`${point}/`));
  const kindOf = (mount: string) =>
    mount === '/sys/fs/cgroup' ? 'v2' : mount.slice('/sys/fs/cgroup/'.length);

  function addGroup(path: string): void {
    directories.add(path);
    for (const name of ['cgroup.procs', 'tasks']) files.set(`${path}/${name}`, '');
    const mount = mountOf(path) ?? fail('ENOENT');
    for (const [name, value] of Object.entries(controlFiles[kindOf(mount)] ?? {})) {
      files.set(
        `${path}/${name}`,
        path === mount && value === '' && name.startsWith('cpuset') ? '0-1' : value,
      );
    }
  }
  for (const point of mountPoints) addGroup(point);

  const pidsOf = (group: string) =>
    (files.get(`${group}/cgroup.procs`) ?? '').split('\n').filter((pid) => pid !== '');
  const leave = (mount: string, pid: string) => {
    for (const group of directories) {
      if (mountOf(group) !== mount) continue;
      files.set(
        `${group}/cgroup.procs`,
        pidsOf(group)
          .filter((one) => one !== pid)
          .join('\n'),
      );
    }
  };
  const isFrozen = (pid: string) =>
    [...directories].some(
      (group) => pidsOf(group).includes(pid) && files.get(`${group}/freezer.state`) === 'FROZEN',
    );
  const childrenOf = (path: string) =>
    [...directories].filter((one) => parentOf(one) === path && one !== path);

  function write(path: string, value: string): void {
    if (!files.has(path)) fail('ENOENT');
    const group = parentOf(path);
    if (path.endsWith('cgroup.procs')) {
      if (files.get(`${group}/cpuset.cpus`) === '') fail('ENOSPC');
      if (files.get(`${group}/cgroup.subtree_control`)) fail('EBUSY');
      leave(mountOf(group) ?? '', value);
      files.set(path, [...pidsOf(group), value].join('\n'));
    } else if (path.endsWith('cgroup.subtree_control')) {
      files.set(path, `${files.get(path)} ${value.slice(1)}`.trim());
    } else if (path.endsWith('limit_in_bytes')) {
      writeMemory(group, path, value);
    } else {
      files.set(path, value);
      if (path.endsWith('cgroup.freeze')) files.set(`${group}/cgroup.events`, `populated 1\nfrozen ${value}`);
    }
    writes.push(`${path}=${value}`);
  }

  function writeMemory(group: string, path: string, value: string): void {
    const bytes = value === '-1' ? '9223372036854771712' : value;
    const after = new Map([...files, [path, bytes]]);
    const memory = Number(after.get(`${group}/memory.limit_in_bytes`));
    if (memory > Number(after.get(`${group}/memory.memsw.limit_in_bytes`))) fail('EINVAL');
    files.set(path, bytes);
  }

  const stat = (kind: FileStat['kind']): FileStat => ({
    kind,
    sizeBytes: 0,
    usedBytes: 0,
    mode: 0o644,
    uid: 0,
    gid: 0,
    modifiedMs: 0,
  });
  const unused = () => Promise.reject(new Error('not part of this fake'));
  const fakeFiles: Files = {
    readText: async (path) => files.get(path),
    readBytes: unused,
    writeAtomic: unused,
    writeInPlace: async (path, data) => write(path, data),
    list: async (path) => {
      const names = [...files.keys(), ...directories].filter((one) => parentOf(one) === path);
      return names.map((one) => one.slice(path.length + 1)).sort();
    },
    stat: async (path) =>
      directories.has(path) ? stat('Directory') : files.has(path) ? stat('File') : undefined,
    makeDirectory: async (path) => {
      if (options.readOnly) fail('EACCES');
      if (!directories.has(path)) addGroup(path);
    },
    remove: async (path) => {
      if (!directories.has(path)) return;
      if (pidsOf(path).length > 0 || childrenOf(path).length > 0) fail('EBUSY');
      directories.delete(path);
      for (const file of files.keys()) if (parentOf(file) === path) files.delete(file);
    },
    removeTree: unused,
    rename: unused,
    copy: unused,
    chmod: unused,
    chown: unused,
    symlink: unused,
    readLink: unused,
    realPath: unused,
    space: unused,
  };

  const identity = (pid: number): ProcessIdentity => ({ pid, startTicks: pid * 10, bootId: 'boot' });
  const processes: Processes = {
    run: unused,
    spawnDetached: unused,
    which: unused,
    identify: async (pid) => (living.has(pid) ? identity(pid) : undefined),
    isAlive: async (one) => living.has(one.pid),
    signal: async ({ pid }) => {
      if (!living.has(pid) || pid === options.immortal || isFrozen(String(pid))) return living.has(pid);
      living.delete(pid);
      for (const point of mountPoints) leave(point, String(pid));
      return true;
    },
  };

  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    after: () => () => {},
  };

  return {
    files: fakeFiles,
    processes,
    clock,
    writes,
    spawn: (pid) => {
      living.add(pid);
    },
    alive: (pid) => living.has(pid),
    has: (path) => directories.has(path) || files.has(path),
    text: (path) => files.get(path),
    put: (path, value) => {
      files.set(path, value);
    },
  };
}
