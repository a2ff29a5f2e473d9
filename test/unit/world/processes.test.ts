import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realClock } from '../../../src/main/world/clock.ts';
import { realFiles } from '../../../src/main/world/files.ts';
import { parseStat } from '../../../src/main/world/identity.ts';
import { launchedProcesses } from '../../../src/main/world/launched.ts';
import { realProcesses } from '../../../src/main/world/processes.ts';
import { realRandom } from '../../../src/main/world/random.ts';

const clock = realClock();
const random = realRandom();
const direct = realProcesses({ clock });
const launcher = [process.execPath, '--import', 'tsx', 'src/main/launcher.ts'];
const launched = launchedProcesses({ clock, random, log: silentLog, processes: direct }, launcher);
const processes = direct;
const files = realFiles(random);
let folder = '';

beforeAll(() => launched.start());
afterAll(() => launched.close());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-processes-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const ways = [
  { way: 'this process', processes: direct },
  { way: 'a launcher', processes: launched.processes },
];

describe.each(ways)('a command started by $way', ({ way, processes }) => {
  it('is its child', async () => {
    const parent = Number((await processes.run(['sh', '-c', 'echo $PPID'])).stdout);
    expect(parent === process.pid).toBe(way === 'this process');
  });

  it('gives its output and its code without throwing', async () => {
    const result = await processes.run(['sh', '-c', 'cat; echo oops >&2; exit 3'], { input: 'hello' });
    expect(result).toEqual({ code: 3, stdout: 'hello', stderr: 'oops\n', timedOut: false });
  });

  it('has a small environment of its own', async () => {
    const { stdout } = await processes.run(['env'], { env: { GUEST: 'web' } });
    const names = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0])
      .sort();
    expect(names).toEqual(['GUEST', 'LANG', 'PATH']);
    expect(stdout).toContain('/usr/sbin');
  });

  it('reports a program that does not exist as 127', async () => {
    const result = await processes.run(['no-such-program-here']);
    expect(result).toMatchObject({ code: 127, timedOut: false });
    expect(result.stderr).toContain('ENOENT');
  });

  it('kills what takes too long', async () => {
    const result = await processes.run(['sleep', '600'], { timeoutMs: 50 });
    expect(result).toMatchObject({ code: 137, timedOut: true });
  });

  it('kills and rejects when the signal is aborted', async () => {
    const stop = new AbortController();
    const running = processes.run(['sleep', '600'], { signal: stop.signal });
    stop.abort(new Error('shutting down'));
    await expect(running).rejects.toThrow('shutting down');
    await expect(processes.run(['true'], { signal: stop.signal })).rejects.toThrow('shutting down');
  });

  it('does not wait for a daemon that keeps the pipes open', async () => {
    const result = await processes.run(['sh', '-c', 'sleep 600 & echo $!']);
    const left = await processes.identify(Number(result.stdout));
    expect(left).toBeDefined();
    if (left !== undefined) expect(await processes.signal(left, 'SIGKILL')).toBe(true);
  });

  it('survives a program that does not read its input', async () => {
    const result = await processes.run(['true'], { input: 'x'.repeat(1_000_000) });
    expect(result.code).toBe(0);
  });
});

describe.each(ways)('a detached process started by $way', ({ processes }) => {
  it('writes to its file, is known beyond its pid, and is told apart from its dead self', async () => {
    const outputPath = join(folder, 'guest.log');
    await files.writeAtomic(outputPath, 'before\n');
    const { identity, exited } = await processes.spawnDetached(['sh', '-c', 'echo up; exec sleep 600'], {
      outputPath,
    });
    expect(await processes.isAlive(identity)).toBe(true);
    expect(await processes.isAlive({ ...identity, startTicks: identity.startTicks + 1 })).toBe(false);
    expect(await processes.isAlive({ ...identity, bootId: 'another boot' })).toBe(false);
    expect(await processes.signal({ ...identity, startTicks: 0 }, 'SIGKILL')).toBe(false);
    expect(await processes.signal(identity, 'SIGKILL')).toBe(true);
    expect(await exited).toBe(137);
    expect(await processes.isAlive(identity)).toBe(false);
    expect(await processes.signal(identity, 'SIGTERM')).toBe(false);
  });

  it('appends its output', async () => {
    const outputPath = join(folder, 'guest.log');
    await files.writeAtomic(outputPath, 'before\n');
    const { exited } = await processes.spawnDetached(['sh', '-c', 'echo up; echo no >&2; exit 4'], {
      outputPath,
    });
    expect(await exited).toBe(4);
    expect(await files.readText(outputPath)).toBe('before\nup\nno\n');
  });

  it('leads a session of its own', async () => {
    const { identity } = await processes.spawnDetached(['sleep', '600'], { outputPath: join(folder, 'log') });
    const line = (await files.readText(`/proc/${identity.pid}/stat`)) ?? '';
    const session = line.slice(line.lastIndexOf(')') + 2).split(' ')[3];
    expect(session).toBe(String(identity.pid));
    await processes.signal(identity, 'SIGKILL');
  });

  it('rejects when the program is missing', async () => {
    const start = processes.spawnDetached(['no-such-program-here'], { outputPath: join(folder, 'log') });
    await expect(start).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('identities', () => {
  it('are read past a command name full of brackets and spaces', () => {
    const tail = Array.from({ length: 30 }, (_, index) => String(index + 4)).join(' ');
    expect(parseStat(`7 (a) R 9) b) S ${tail}`)).toEqual({ state: 'S', startTicks: 22 });
    expect(parseStat('')).toBeUndefined();
  });

  it('do not exist for nobody', async () => {
    expect(await processes.identify(2 ** 22 + 1)).toBeUndefined();
    expect(await processes.identify(-1)).toBeUndefined();
    expect(await processes.identify(process.pid)).toMatchObject({ pid: process.pid });
  });

  it('treat a zombie as dead', async () => {
    // A shell may look after its children; the program it becomes never does.
    const script = 'sleep 600 & echo $!; exec sleep 600';
    const outputPath = join(folder, 'log');
    const { identity } = await processes.spawnDetached(['sh', '-c', script], { outputPath });
    const patience = { timeout: 10_000 };
    await expect.poll(() => files.readText(`/proc/${identity.pid}/comm`), patience).toBe('sleep\n');
    const child = Number(await files.readText(outputPath));
    process.kill(child, 'SIGKILL');
    await expect.poll(() => files.readText(`/proc/${child}/stat`), patience).toContain(') Z ');
    expect(await processes.identify(child)).toBeUndefined();
    await processes.signal(identity, 'SIGKILL');
  });
});

describe('looking for a program', () => {
  it('finds it in PATH, by full path, or not at all', async () => {
    expect(await processes.which('sh')).toMatch(/\/sh$/);
    expect(await processes.which('/bin/sh')).toBe('/bin/sh');
    expect(await processes.which('no-such-program-here')).toBeUndefined();
    await files.writeAtomic(join(folder, 'plain'), '');
    expect(await realProcesses({ clock, searchPath: folder }).which('plain')).toBeUndefined();
  });
});
