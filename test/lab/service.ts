/** A program that runs on a machine of the lab, with a log file; it goes on when the process that started it ends. */
import { spawn } from 'node:child_process';
import { open, readFile, stat } from 'node:fs/promises';
import { until } from '../e2e/harness/commands.ts';
import { isLive } from '../e2e/harness/host.ts';
import type { Machine } from './machine.ts';

export type ServiceOptions = {
  machine: Machine;
  /** Absolute; the command line tells it from others on the machine. */
  command: readonly string[];
  logFile: string;
  /** What it prints when it can be used; absent: it is not waited for. */
  readyLine?: string;
};

export type Service = {
  start(): Promise<void>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** SIGSTOP: it is there but does nothing until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Its pid as the machine underneath sees it. */
  pid(): Promise<number | undefined>;
  log(): Promise<string>;
};

export function createService({ machine, command, logFile, readyLine }: ServiceOptions): Service {
  const log = () => readFile(logFile, 'utf8').catch(() => '');

  async function pid(): Promise<number | undefined> {
    for (const candidate of await machine.pids()) {
      const text = await readFile(`/proc/${candidate}/cmdline`, 'utf8').catch(() => '');
      if (text === `${command.join('\0')}\0` && (await isLive(candidate))) return candidate;
    }
    return undefined;
  }

  async function signal(name: NodeJS.Signals): Promise<void> {
    const found = await pid();
    if (found !== undefined) process.kill(found, name);
  }

  async function end(name: NodeJS.Signals): Promise<void> {
    await signal(name);
    await until(`${command.join(' ')} on ${machine.name} has ended`, async () => (await pid()) === undefined);
  }

  async function start(): Promise<void> {
    const before = (await stat(logFile).catch(() => undefined))?.size ?? 0;
    const [program = '', ...args] = await machine.inside(command);
    const output = await open(logFile, 'a');
    const child = spawn(program, args, { detached: true, stdio: ['ignore', output.fd, output.fd] });
    await output.close();
    child.unref();
    if (readyLine === undefined) return;
    const since = async () => (await log()).slice(before);
    const isReady = async () => (await since()).split('\n').some((line) => line.startsWith(readyLine));
    const what = `${command.join(' ')} on ${machine.name} is ready`;
    await until(what, async () => child.exitCode !== null || (await isReady())).catch(() => {});
    if (!(await isReady())) throw new Error(`waited in vain until ${what}; it says:\n${await since()}`);
  }

  return {
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    pid,
    log,
  };
}
