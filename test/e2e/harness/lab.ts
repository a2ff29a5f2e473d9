/** One running Vireo of its own for a test: `vireo up` on a free port and a temporary directory, with kubectl beside it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkout, must, type Result, run, until, vireo } from './commands.ts';
import { makeGroup, removeGroup } from './host.ts';

export type Lab = {
  dataDirectory: string;
  kubeconfig: string;
  port: number;
  /** From starting the process to its `ready` line, milliseconds: the agent has looked at its host by then. */
  readyAfterMs: number;
  /** From starting the process to the kubeconfig, which is written once the API answers; of the first start only. */
  apiAfterMs: number;
  pid: number;
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(...args: string[]): Promise<Result>;
  apply(yaml: string, ...args: string[]): Promise<string>;
  get<T = Record<string, unknown>>(...args: string[]): Promise<T>;
  /** Pids of the children by role. */
  child(role: 'apiserver' | 'agent'): Promise<number>;
  /** SIGTERM, waits for the end; guests run on. */
  stop(): Promise<number>;
  /** Starts it again on the same directory. */
  restart(): Promise<void>;
  down(): Promise<Result>;
  log(): Promise<string>;
  /** Everything away, also after a failure. */
  dispose(): Promise<void>;
};

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export type LabOptions = {
  args?: string[];
  name?: string;
  /** A control group of its own for all of Vireo's processes, as a service manager would give them. */
  group?: string;
};

export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const dataDirectory = await mkdtemp(join(tmpdir(), `vireo-${options.name ?? 'lab'}-`));
  // mkdtemp(3) gives 0700, which the users of unprivileged containers could not pass.
  await chmod(dataDirectory, 0o711);
  const kubeconfig = join(dataDirectory, 'kubeconfig');
  const logFile = `${dataDirectory}.log`;
  const port = await freePort();
  const env = { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(dataDirectory, 'kubecache'), HOME: dataDirectory };
  let current = await launch().catch(async (error: unknown) => {
    await rm(dataDirectory, { recursive: true, force: true });
    await rm(logFile, { force: true });
    throw error;
  });

  async function launch() {
    const started = performance.now();
    const log = await open(logFile, 'a');
    const args = [
      'up',
      '--data-dir',
      dataDirectory,
      '--listen',
      `127.0.0.1:${port}`,
      '--kubeconfig',
      kubeconfig,
    ];
    const command = [process.execPath, vireo, ...args, ...(options.args ?? [])];
    const [program = '', ...rest] =
      options.group === undefined ? command : await inGroup(options.group, command);
    const child = spawn(program, rest, { cwd: checkout, stdio: ['ignore', 'pipe', log.fd] });
    await log.close();
    const api = until('the kubeconfig is there', () => exists(kubeconfig), 60_000, 10);
    await ready(child, logFile);
    const readyAfterMs = performance.now() - started;
    return { child, readyAfterMs, apiAfterMs: (await api) - started };
  }

  async function stop(): Promise<number> {
    const { child } = current;
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? 137;
    const ended = new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 137)));
    child.kill('SIGTERM');
    return ended;
  }

  const lab: Lab = {
    dataDirectory,
    kubeconfig,
    port,
    get readyAfterMs() {
      return current.readyAfterMs;
    },
    get apiAfterMs() {
      return current.apiAfterMs;
    },
    get pid() {
      return current.child.pid ?? 0;
    },
    kubectl: (...args) => must(['kubectl', ...args], { env }),
    tryKubectl: (...args) => run(['kubectl', ...args], { env }),
    apply: (yaml, ...args) => must(['kubectl', 'apply', ...args, '-f', '-'], { env, input: yaml }),
    get: async (...args) => JSON.parse(await must(['kubectl', 'get', ...args, '-o', 'json'], { env })),
    child: (role) => childOf(current.child.pid ?? 0, role),
    stop,
    restart: async () => {
      await stop();
      current = await launch();
    },
    down: () =>
      run([process.execPath, vireo, 'down', '--data-dir', dataDirectory, '--yes'], { timeoutMs: 120_000 }),
    log: () => readFile(logFile, 'utf8'),
    dispose: async () => {
      await stop();
      await run([process.execPath, vireo, 'down', '--data-dir', dataDirectory, '--yes'], {
        timeoutMs: 120_000,
      });
      await rm(dataDirectory, { recursive: true, force: true });
      if (options.group !== undefined) await removeGroup(options.group);
      if (process.env.VIREO_KEEP_LOGS !== '1') await rm(logFile, { force: true });
    },
  };
  return lab;
}

/** The command, run by a shell that has joined the group before. */
async function inGroup(name: string, command: readonly string[]): Promise<string[]> {
  const file = await makeGroup(name);
  return ['sh', '-c', 'echo $$ > "$0" && exec "$@"', file, ...command];
}

/** The time it was seen, or false. */
async function exists(path: string): Promise<number | false> {
  return access(path).then(
    () => performance.now(),
    () => false,
  );
}

function ready(child: ChildProcess, logFile: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('vireo up printed no ready line within 60 s')), 60_000);
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready')) resolve();
      });
    }
    child.on('exit', async (code) => {
      const log = await readFile(logFile, 'utf8').catch(() => '');
      reject(new Error(`vireo up ended with ${code}:\n${log.slice(-3000)}`));
    });
    child.on('close', () => clearTimeout(timer));
  });
}

/** The child of `parent` whose command line names the role. */
async function childOf(parent: number, role: string): Promise<number> {
  return until(`${role} is a child of ${parent}`, async () => {
    const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8');
    for (const pid of children.trim().split(/\s+/)) {
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      if (command.includes(role)) return Number(pid);
    }
    return undefined;
  });
}
