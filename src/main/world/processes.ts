/** Processes of this machine behind the Processes port: commands, detached guests, identities, signals. */
import { spawn } from 'node:child_process';
import { access, constants, open, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { type Processes, type ProcessIdentity, SEARCH_PATH } from '../../base/processes.ts';
import { createIdentities } from './identity.ts';
import { pipeCommand } from './pipe.ts';
import { exitCode, runCommand } from './run.ts';

export type ProcessesOptions = {
  clock: Clock;
  /** PATH of the programs run, directories joined by colons. */
  searchPath?: string;
};

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK)
    .then(() => stat(path))
    .then(
      (found) => found.isFile(),
      () => false,
    );
}

async function which(program: string, searchPath: string): Promise<string | undefined> {
  const places = isAbsolute(program)
    ? [program]
    : searchPath.split(':').map((folder) => join(folder, program));
  for (const place of places) {
    if (await isExecutable(place)) return place;
  }
  return undefined;
}

function sameProcess(a: ProcessIdentity | undefined, b: ProcessIdentity): boolean {
  return a !== undefined && a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;
}

/** All that a program started by us finds in its environment, unless it is given more. */
export function environmentOf(searchPath: string): Readonly<Record<string, string>> {
  return { PATH: searchPath, LANG: 'C.UTF-8' };
}

/** The real processes. */
export function realProcesses(options: ProcessesOptions): Processes {
  const { clock, searchPath = SEARCH_PATH } = options;
  const identities = createIdentities();
  const environment = environmentOf(searchPath);
  const isAlive = async (identity: ProcessIdentity): Promise<boolean> =>
    sameProcess(await identities.identify(identity.pid), identity);

  const spawnDetached: Processes['spawnDetached'] = async (argv, { outputPath, env, cwd }) => {
    const output = await open(outputPath, 'a', 0o600);
    try {
      const child = spawn(argv[0] ?? '', argv.slice(1), {
        env: { ...environment, ...env },
        ...(cwd === undefined ? {} : { cwd }),
        detached: true,
        stdio: ['ignore', output.fd, output.fd],
      });
      const exited = new Promise<number>((resolve) => {
        child.once('exit', (code, how) => resolve(exitCode(code, how)));
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.on('error', reject);
      });
      child.unref();
      return { identity: await identities.identifyChild(child.pid ?? 0), exited };
    } finally {
      await output.close();
    }
  };

  return {
    run: (argv, runOptions = {}) => runCommand(argv, environment, runOptions, clock),
    pipe: (argv, pipeOptions) => pipeCommand(argv, environment, pipeOptions),
    spawnDetached,
    identify: identities.identify,
    isAlive,
    signal: async (identity, name) => {
      if (!(await isAlive(identity))) return false;
      try {
        return process.kill(identity.pid, name);
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
        throw error;
      }
    },
    which: (program) => which(program, searchPath),
  };
}
