/** LXC 5.0 as far as the driver relies on it, on top of the small kernel: groups, processes, its log, and its refusals. */
import type { RunResult } from '../../../../src/base/processes.ts';
import type { FakeKernel } from '../cgroup/kernel.ts';

type Container = { id: string; dir: string; log: string; init: number; monitor: number };

export type FakeLxc = {
  containers: Map<string, Container>;
  /** Living first processes of this container, whoever started them. */
  instances(id: string): number;
  powerOff(id: string): void;
  crash(id: string): void;
  killMonitor(id: string): void;
  reboot(id: string): void;
  /** What the next start says in its log instead of succeeding. */
  failNext?: string;
};

const ok: RunResult = { code: 0, stdout: '', stderr: '', timedOut: false };
const refused: RunResult = { code: 1, stdout: '', stderr: 'The container failed to start', timedOut: false };

export function fakeLxc(kernel: FakeKernel): FakeLxc {
  const { groups } = kernel;
  const started: Container[] = [];
  const containers = new Map<string, Container>();
  let nextPid = 100;

  const say = (log: string, line: string) => {
    groups.files.set(log, `${groups.files.get(log) ?? ''}lxc-start x 20260101 ${line}\n`);
  };
  const inAll = (path: string, deed: (path: string) => void) => {
    for (const mount of groups.mountPoints) deed(`${mount}/${path}`);
  };
  const place = (path: string, pid: number, status: string, exe: string) => {
    inAll(path, (group) => groups.write(`${group}/cgroup.procs`, String(pid)));
    groups.files.set(`/proc/${pid}/status`, status);
    groups.files.set(`/proc/${pid}/exe`, exe);
    groups.files.set(`/proc/${pid}/cgroup`, `8:pids:/${path}\n`);
  };
  const spawn = () => {
    nextPid += 1;
    kernel.spawn(nextPid);
    return nextPid;
  };

  /** Like LXC, refuses groups that exist already: it must make them itself. */
  function makeGroups(dir: string): boolean {
    for (const name of ['payload', 'monitor']) {
      if (groups.mountPoints.some((mount) => groups.directories.has(`${mount}/${dir}/${name}`))) return false;
    }
    for (const path of [dir, `${dir}/payload`, `${dir}/payload/ns`, `${dir}/monitor`]) {
      inAll(path, (group) => {
        if (!groups.directories.has(group)) groups.add(group);
        if (groups.files.has(`${group}/cpuset.cpus`)) groups.files.set(`${group}/cpuset.cpus`, '0-1');
      });
    }
    return true;
  }

  function start(argv: readonly string[]): RunResult {
    const option = (name: string) => argv[argv.indexOf(name) + 1] ?? '';
    const [id, log] = [option('-n'), option('-o')];
    const payload =
      /^lxc.cgroup.dir.container = (.*)$/m.exec(groups.files.get(option('-f')) ?? '')?.[1] ?? '';
    const dir = payload.slice(0, -'/payload'.length);
    if (lxc.failNext !== undefined) {
      say(log, lxc.failNext);
      delete lxc.failNext;
      return refused;
    }
    const known = containers.get(id);
    if (known !== undefined && kernel.alive(known.monitor)) return ok;
    if (!makeGroups(dir)) {
      say(log, 'ERROR    cgfsng - ../src/lxc/cgfsng.c:x:1 - File exists - Failed to create monitor cgroup');
      return refused;
    }
    const [monitor, init] = [spawn(), spawn()];
    const container = { id, dir, log, init, monitor };
    run(container);
    place(`${dir}/monitor`, monitor, 'PPid:\t1\nNSpid:\t1\n', '/usr/bin/lxc-start');
    containers.set(id, container);
    started.push(container);
    return ok;
  }

  function run(container: Container): void {
    const { init, monitor, dir, log } = container;
    place(`${dir}/payload/ns`, init, `PPid:\t${monitor}\nNSpid:\t${init}\t1\n`, '/usr/sbin/init');
    say(log, `NOTICE   start - ../src/lxc/start.c:post_start:2205 - Started "/sbin/init" with pid "${init}"`);
  }

  /** The monitor, if it lives, logs how the init ended and takes everything down. */
  function ended(container: Container, how: string): void {
    const { init, monitor, log, dir } = container;
    kernel.end(init);
    if (!kernel.alive(monitor)) return;
    say(
      log,
      `DEBUG    start - ../src/lxc/start.c:signal_handler:464 - Container init process ${init} exited`,
    );
    say(
      log,
      `INFO     error - ../src/lxc/error.c:lxc_error_set_and_log:34 - Child <${init}> ended on signal ${how}`,
    );
    kernel.end(monitor);
    for (const name of ['payload/ns', 'payload', 'monitor']) inAll(`${dir}/${name}`, groups.remove);
  }

  kernel.onKilled = (pid) => {
    const container = started.find((one) => one.init === pid);
    if (container !== undefined) ended(container, 'Killed(9)');
  };
  kernel.onRun = (argv) => {
    if (argv[0] === 'lxc-start') return argv[1] === '--version' ? { ...ok, stdout: '5.0.2\n' } : start(argv);
    if (argv[0] !== 'lxc-stop') return { ...refused, code: 127 };
    lxc.powerOff(argv[argv.indexOf('-n') + 1] ?? '');
    return ok;
  };

  const the = (id: string) => containers.get(id) ?? { id, dir: '', log: '', init: 0, monitor: 0 };
  const lxc: FakeLxc = {
    containers,
    instances: (id) => started.filter((one) => one.id === id && kernel.alive(one.init)).length,
    powerOff: (id) => ended(the(id), 'Interrupt(2)'),
    crash: (id) => ended(the(id), 'Killed(9)'),
    killMonitor: (id) => {
      const container = the(id);
      kernel.end(container.monitor);
      groups.files.set(`/proc/${container.init}/status`, `PPid:\t1\nNSpid:\t${container.init}\t1\n`);
    },
    reboot: (id) => {
      const container = the(id);
      kernel.end(container.init);
      container.init = spawn();
      run(container);
    },
  };
  return lxc;
}
