/** Runs programs for end-to-end tests: kubectl, vireo and the tools that look at the host. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export type Result = { code: number; stdout: string; stderr: string };

export const checkout = resolve(import.meta.dirname, '../../..');
export const vireo = resolve(checkout, 'dist/vireo.js');

/** Runs to the end; never throws for an exit code. */
export function run(
  argv: readonly string[],
  options: { input?: string; env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<Result> {
  return new Promise((done) => {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, {
      cwd: checkout,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => err.push(Buffer.from(error.message)));
    child.on('close', (code) => {
      clearTimeout(timer);
      done({
        code: code ?? 137,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      });
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** Runs and insists on exit code 0; gives standard output. */
export async function must(
  argv: readonly string[],
  options: Parameters<typeof run>[1] = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Looks again and again until `look` gives something true; throws with what it saw last. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  timeoutMs = 60_000,
  everyMs = 100,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`, { cause: last });
    await new Promise((next) => setTimeout(next, everyMs));
  }
}
