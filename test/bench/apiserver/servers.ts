/** The servers of the benches: ours on a new data directory, and any other that a kubeconfig reaches and perhaps a command starts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Target, targetFromKubeconfig } from '../../contract/apiserver/client.ts';
import { checkout, until, vireo } from '../../e2e/harness/commands.ts';
import { freePort } from '../../e2e/harness/lab.ts';
import { cpuSeconds, processTree, pssBytes } from '../measure.ts';
import { openConnection } from './client.ts';

/** A server under load. */
export type Server = {
  target: Target;
  /** Memory of all its processes in bytes; undefined when they are not known. */
  memory(): Promise<number | undefined>;
  /** CPU seconds of all its processes so far; undefined when they are not known. */
  cpu(): Promise<number | undefined>;
  /**
   * Ends it and starts it on the same state; seconds until it says that it is ready and `ask` does not throw any more, undefined when it
   * cannot be started from here.
   */
  restart(ask: (target: Target) => Promise<void>): Promise<number | undefined>;
  close(): Promise<void>;
};

/** Starts ours. */
export async function startOurs(): Promise<Server> {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-bench-api-'));
  const kubeconfig = join(directory, 'kubeconfig');
  const listen = `127.0.0.1:${await freePort()}`;
  const argv = [process.execPath, vireo, 'apiserver', '--data-dir', directory, '--listen', listen];
  const started = await startProcess([...argv, '--kubeconfig', kubeconfig], kubeconfig);
  return {
    ...started,
    close: async () => {
      await started.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The server of a kubeconfig, started by `command` (a line for a shell that stays until it is ended) where there is one. */
export async function useOther(kubeconfig: string, command: string | undefined): Promise<Server> {
  if (command !== undefined) return startProcess(['sh', '-c', command], kubeconfig);
  return {
    target: targetFromKubeconfig(await readFile(kubeconfig, 'utf8')),
    memory: async () => undefined,
    cpu: async () => undefined,
    restart: async () => undefined,
    close: async () => {},
  };
}

async function startProcess(argv: readonly string[], kubeconfig: string): Promise<Server> {
  const [program = '', ...args] = argv;
  const launch = () => spawn(program, args, { cwd: checkout, stdio: 'ignore', detached: true });
  let child = launch();
  let target: Target;
  try {
    target = await until('the server answers', () => reach(kubeconfig), 300_000, 20);
  } catch (error) {
    await end(child);
    throw error;
  }
  return {
    target,
    memory: async () => pssBytes(await processTree(child.pid ?? 0)),
    cpu: async () => cpuSeconds(await processTree(child.pid ?? 0)),
    restart: async (ask) => {
      await end(child);
      const started = performance.now();
      child = launch();
      const answers = async () => {
        const reached = await reach(kubeconfig);
        if (reached !== undefined) await ask(reached);
        return reached;
      };
      await until('the server answers again', answers, 300_000, 20);
      return (performance.now() - started) / 1000;
    },
    close: () => end(child),
  };
}

/** The target once the server says that it is ready. */
async function reach(kubeconfig: string): Promise<Target | undefined> {
  const target = targetFromKubeconfig(await readFile(kubeconfig, 'utf8'));
  const connection = await openConnection(target);
  const { code } = await connection.send('GET', '/readyz').finally(connection.close);
  return code === 200 ? target : undefined;
}

/** Ends the process and all that it started, which share its group. */
async function end(child: ChildProcess): Promise<void> {
  const group = child.pid;
  if (group === undefined) return;
  try {
    process.kill(-group, 'SIGTERM');
  } catch {
    return;
  }
  await until('all its processes have ended', async () => !isThere(group), 60_000, 10);
}

function isThere(group: number): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}
