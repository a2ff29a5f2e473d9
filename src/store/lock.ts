/**
 * The lock of a data directory: one process writes a store, whatever a second `vireo up` is told. Node.js has no flock(2), so a
 * child `flock ... cat` holds it on a pipe: when this process ends, even by SIGKILL, the pipe closes, cat ends, the lock is free.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { ReasonedError } from '../base/outcome.ts';

/** The lock's file in the directory; it holds the pid of the last holder. */
const lockName = 'LOCK';
const waitMs = 10_000;

/** Gives the lock back; resolves when another process can take it. */
export type Release = () => Promise<void>;

type Holder = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Takes the lock of `directory`, which is made when missing. `onLost` is called when the lock goes without a release, because somebody
 * killed its child: nothing may be written from then on. Throws ReasonedError `DataDirectoryInUse`, naming the holder's pid, when
 * another process has it, and `LockUnavailable` when the flock program cannot be used.
 */
export async function lockDirectory(directory: string, onLost?: () => void): Promise<Release> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, lockName);
  // Detached: Ctrl-C signals the whole process group, and the lock must outlast the orderly end of this process.
  const child: Holder = spawn(
    'flock',
    ['--nonblock', '--no-fork', '--conflict-exit-code', '3', path, 'cat'],
    {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const ended = endOf(child);
  await Promise.race([echo(child), ended.then((end) => refuse(directory, path, end))]);
  try {
    await writeFile(path, `${process.pid}\n`);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return held(child, ended, onLost);
}

function held(child: Holder, ended: Promise<unknown>, onLost?: () => void): Release {
  let released = false;
  // The child and its pipes must not keep this process alive.
  child.unref();
  child.stdout.destroy();
  child.stderr.destroy();
  void ended.then(() => {
    if (!released) onLost?.();
  });
  return async () => {
    released = true;
    child.ref();
    child.stdin.destroy();
    await ended;
  };
}

/** Resolves when cat answers: it runs only under the lock. */
function echo(child: Holder): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new ReasonedError('LockUnavailable', `flock gave no answer within ${waitMs} ms`));
    }, waitMs);
    child.once('exit', () => clearTimeout(timer));
    child.stdout.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    // A child that ended has closed its pipe; its exit code says why.
    child.stdin.on('error', () => undefined);
    child.stdin.write('\n');
  });
}

type End = { code: number | null; errors: string; failure?: Error };

function endOf(child: Holder): Promise<End> {
  return new Promise((resolve) => {
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString('utf8');
    });
    child.once('error', (failure) => resolve({ code: null, errors, failure }));
    child.once('close', (code) => resolve({ code, errors }));
  });
}

async function refuse(directory: string, path: string, end: End): Promise<never> {
  if (end.code === 3) {
    const pid = (await readFile(path, 'utf8').catch(() => '')).trim();
    const holder = pid === '' ? 'another process' : `process ${pid}`;
    throw new ReasonedError(
      'DataDirectoryInUse',
      `${directory} is in use by ${holder}: stop it first, or choose another directory`,
      { stalled: true },
    );
  }
  const why = end.failure?.message ?? `exit code ${end.code} ${end.errors.trim()}`;
  throw new ReasonedError('LockUnavailable', `cannot lock ${directory}: flock (util-linux) failed: ${why}`, {
    stalled: true,
    cause: end.failure,
  });
}
