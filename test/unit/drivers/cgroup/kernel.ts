/** A small kernel for tests: files and control groups in memory, and processes that die of SIGKILL unless they are frozen. */
import type { Clock } from '../../../../src/base/clock.ts';
import type { FileStat, Files } from '../../../../src/base/files.ts';
import { silentLog } from '../../../../src/base/log.ts';
import type { Processes, ProcessIdentity, RunResult } from '../../../../src/base/processes.ts';
import type { World } from '../../../../src/base/world.ts';
import { seededRandom } from '../../../world/seededRandom.ts';
import type { Groups } from './groups.ts';
import { createGroups, fail } from './groups.ts';

export { v1Mounts, v2Mounts } from './groups.ts';

export type FakeKernel = World & {
  groups: Groups;
  /** Every write to a kernel file, as `path=value`, in order. */
  writes: string[];
  spawn(pid: number): void;
  /** Ends a process as SIGKILL does, whoever sends it. */
  end(pid: number): void;
  alive(pid: number): boolean;
  /** Called when a process was ended by a signal of ours. */
  onKilled: (pid: number) => void;
  /** What programs do; default: none is installed. */
  onRun: (argv: readonly string[]) => RunResult;
};

export type FakeKernelOptions = { readOnly?: boolean; immortal?: number };

export function fakeKernel(mounts: string, options: FakeKernelOptions = {}): FakeKernel {
  const groups = createGroups(mounts);
  const living = new Set<number>();
  const writes: string[] = [];
  const kernel: FakeKernel = {
    groups,
    writes,
    files: fakeFiles(groups, writes, options),
    processes: fakeProcesses(() => kernel, living, options),
    clock: hurriedClock(),
    random: seededRandom(1),
    log: silentLog,
    sockets: { connectUnix: unused, listenForOne: unused, listenForOneAt: unused },
    spawn: (pid) => {
      living.add(pid);
      groups.files.set(`/proc/${pid}/stat`, 'alive');
    },
    end: (pid) => {
      living.delete(pid);
      groups.leaveAll(pid);
      for (const file of [...groups.files.keys()])
        if (file.startsWith(`/proc/${pid}/`)) groups.files.delete(file);
    },
    alive: (pid) => living.has(pid),
    onKilled: () => {},
    onRun: () => ({ code: 127, stdout: '', stderr: 'not found', timedOut: false }),
  };
  groups.files.set('/proc/sys/kernel/random/boot_id', 'boot\n');
  return kernel;
}

/** A clock that is always as late as somebody waits for. */
function hurriedClock(): Clock {
  let elapsedMs = 0;
  return {
    now: () => Date.UTC(2026, 0, 1) + elapsedMs,
    monotonic: () => elapsedMs,
    sleep: async (ms) => {
      elapsedMs += ms;
    },
    after: (ms, run) => {
      const timer = setTimeout(run, Math.min(ms, 2));
      return () => clearTimeout(timer);
    },
  };
}

function fakeProcesses(kernel: () => FakeKernel, living: Set<number>, options: FakeKernelOptions): Processes {
  const identity = (pid: number): ProcessIdentity => ({ pid, startTicks: pid * 10, bootId: 'boot' });
  return {
    run: async (argv) => kernel().onRun(argv),
    pipe: () => {
      throw new Error('nothing is piped here');
    },
    spawnDetached: unused,
    which: async (program) => `/usr/bin/${program}`,
    identify: async (pid) => (living.has(pid) ? identity(pid) : undefined),
    isAlive: async (one) => living.has(one.pid) && one.startTicks === one.pid * 10,
    signal: async ({ pid }) => {
      if (!living.has(pid)) return false;
      if (pid === options.immortal || kernel().groups.isFrozen(pid)) return true;
      kernel().end(pid);
      kernel().onKilled(pid);
      return true;
    },
  };
}

function fakeFiles(groups: Groups, writes: string[], options: FakeKernelOptions): Files {
  const { files, directories } = groups;
  const links = new Map<string, string>();
  const below = (path: string) =>
    [...files.keys(), ...directories].filter((one) => one.startsWith(`${path}/`));
  const forget = (path: string) => {
    files.delete(path);
    directories.delete(path);
  };
  return {
    readText: async (path) => files.get(links.get(path) ?? path),
    readBytes: unused,
    writeAtomic: async (path, data) => {
      files.set(path, String(data));
    },
    writeInPlace: async (path, data) => {
      groups.write(path, data);
      writes.push(`${path}=${data}`);
    },
    list: async (path) => {
      const names = below(path).map((one) => one.slice(path.length + 1).split('/')[0] ?? '');
      return [...new Set(names)].sort();
    },
    sync: async () => {},
    directories: async (path) => {
      const names = [...directories]
        .filter((one) => one.startsWith(`${path}/`))
        .map((one) => one.slice(path.length + 1));
      return names.filter((name) => !name.includes('/')).sort();
    },
    stat: async (path) =>
      directories.has(path) || (/^\/proc\/\d+$/.test(path) && below(path).length > 0)
        ? stat('Directory')
        : files.has(path)
          ? stat('File')
          : undefined,
    makeDirectory: async (path) => {
      if (options.readOnly) fail('EACCES');
      if (directories.has(path)) return;
      if (groups.mountOf(path) === undefined) directories.add(path);
      else groups.add(path);
    },
    remove: async (path) => {
      if (links.delete(path)) return;
      if (!directories.has(path)) files.delete(path);
      else if (groups.mountOf(path) !== undefined) groups.remove(path);
      else if (below(path).length > 0) fail('ENOTEMPTY');
      else directories.delete(path);
    },
    removeTree: async (path) => {
      for (const one of [path, ...below(path)]) forget(one);
    },
    symlink: async (target, path) => {
      if (links.has(path) || files.has(path)) fail('EEXIST');
      links.set(path, target);
    },
    // The links of /proc are kept as texts.
    readLink: async (path) => links.get(path) ?? (path.startsWith('/proc/') ? files.get(path) : undefined),
    realPath: async (path) => path,
    rename: unused,
    copy: unused,
    chmod: unused,
    chown: unused,
    space: unused,
  };
}

function stat(kind: FileStat['kind']): FileStat {
  return { kind, sizeBytes: 0, usedBytes: 0, mode: 0o644, uid: 0, gid: 0, modifiedMs: 0 };
}

function unused(): Promise<never> {
  return Promise.reject(new Error('not part of this fake'));
}
