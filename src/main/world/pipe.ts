/** Runs one command as a stream: what it says is read while it runs, and it ends with all that it began. */
import { spawn } from 'node:child_process';
import type { PipedProcess, Processes } from '../../base/processes.ts';
import { exitCode } from './run.ts';

/** The end of what it complained: rsync names every file it could not read. */
const KEPT_COMPLAINT = 64 * 1024;

/** The command in a process group of its own, so that its children go with it. */
export function pipeCommand(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
  { signal, env }: Parameters<Processes['pipe']>[1],
): PipedProcess {
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    env: { ...environment, ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString('utf8')).slice(-KEPT_COMPLAINT);
  });
  const kill = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It and its children are gone already.
    }
    // What nobody reads would keep it from being called ended.
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  };
  if (signal.aborted) kill();
  else signal.addEventListener('abort', kill, { once: true });
  const ended = new Promise<{ code: number; stderr: string }>((resolve) => {
    child.once('error', (error) => {
      if (child.pid === undefined) resolve({ code: 127, stderr: error.message });
    });
    child.once('close', (code, how) => {
      signal.removeEventListener('abort', kill);
      if (child.pid !== undefined) resolve({ code: exitCode(code, how), stderr });
    });
  });
  // A process that ends without reading its input closes the pipe: its exit code tells the story, not EPIPE.
  child.stdin.on('error', () => {});
  return { input: child.stdin, output: child.stdout, ended };
}
