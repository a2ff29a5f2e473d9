/** A guest that its keeper kills is dead for others when nothing it wrote to shared storage is on its way any more. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunResult } from '../../../../src/base/processes.ts';
import type { Cgroups } from '../../../../src/drivers/cgroup/contract.ts';
import { guestsPort } from '../../../../src/main/keeper/ports.ts';
import { noteShared, writeOutShared } from '../../../../src/main/keeper/sharedPools.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const roots: string[] = [];
const { files, processes } = realWorld();

afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
});

/** A host with two shared pools noted. Each sync(1) waits until it is answered. */
async function host() {
  const root = await mkdtemp(join(tmpdir(), 'vireo-shared-'));
  roots.push(root);
  const told: string[] = [];
  const syncs: { path: string; answer(stderr?: string): void }[] = [];
  const run = (argv: readonly string[]): Promise<RunResult> =>
    new Promise((resolve) => {
      const answer = (stderr = '') =>
        resolve({ code: stderr === '' ? 0 : 1, stdout: '', stderr, timedOut: false });
      told.push(argv.join(' '));
      syncs.push({ path: argv.at(-1) ?? '', answer });
    });
  const cgroups = {
    members: async () => [1],
    freeze: async (id) => void told.push(`freeze ${id}`),
    killAll: async (id) => void told.push(`kill ${id}`),
    create: async () => {},
    createFreezable: async () => {},
    end: async () => {},
  } as Partial<Cgroups> as Cgroups;
  const note = noteShared(files, root);
  await Promise.all([note('/mnt/a'), note('/mnt/b'), note('/mnt/a')]);
  const guests = guestsPort(cgroups, writeOutShared({ files, processes: { ...processes, run } }, root));
  const isDead = { x: false, y: false };
  const kill = async (id: 'x' | 'y'): Promise<void> => {
    await guests.kill(id);
    isDead[id] = true;
  };
  const begun = (count: number) => expect.poll(() => syncs.length).toBe(count);
  return { guests, kill, isDead, told, syncs, begun };
}

describe('a guest that is killed', () => {
  it('is dead when what its host held of all shared pools is written, not before', async () => {
    const { kill, isDead, syncs, begun } = await host();
    const killed = kill('x');
    await begun(2);
    expect(syncs.map(({ path }) => path).toSorted()).toEqual(['/mnt/a', '/mnt/b']);
    syncs[0]?.answer();
    await new Promise(setImmediate);
    expect(isDead.x).toBe(false);
    syncs[1]?.answer();
    await killed;
  });

  it('is not dead when that failed: its keeper tries again, and feeds no watchdog meanwhile', async () => {
    const { guests, syncs, begun } = await host();
    const killed = guests.kill('x');
    killed.catch(() => undefined);
    await begun(2);
    for (const { path, answer } of syncs) answer(`sync: error syncing '${path}': Input/output error`);
    await expect(killed).rejects.toThrow('held back still');
  });

  it('does not wait for a pool that is there no more', async () => {
    const { kill, syncs, begun } = await host();
    const killed = kill('x');
    await begun(2);
    for (const { path, answer } of syncs) answer(`sync: error opening '${path}': No such file or directory`);
    await killed;
  });

  it('was written out for the most part while it was frozen, and once more when it is dead', async () => {
    const { guests, kill, isDead, told, syncs, begun } = await host();
    await guests.freeze('x');
    await begun(2);
    const killed = kill('x');
    for (const { answer } of syncs) answer();
    await begun(4);
    expect(isDead.x).toBe(false);
    const kinds = told.map((line) => line.split(' ')[0]);
    expect(kinds.slice(0, 4)).toEqual(['freeze', 'freeze', 'sync', 'sync']);
    expect(kinds.slice(-2)).toEqual(['sync', 'sync']);
    for (const { answer } of syncs) answer();
    await killed;
  });

  it('is not taken for dead by what was begun before its end', async () => {
    const { kill, isDead, syncs, begun } = await host();
    const first = kill('x');
    await begun(2);
    const second = kill('y');
    await new Promise(setImmediate);
    for (const { answer } of syncs) answer();
    await first;
    await begun(4);
    expect(isDead).toEqual({ x: true, y: false });
    for (const { answer } of syncs) answer();
    await second;
  });
});

it('a host without shared pools waits for nothing', async () => {
  const root = await mkdtemp(join(tmpdir(), 'vireo-shared-'));
  roots.push(root);
  const run = () => Promise.reject(new Error('nothing is to be run'));
  await writeOutShared({ files, processes: { ...processes, run } }, root)();
});

it('the real sync(1) knows what it is told', async () => {
  const root = await mkdtemp(join(tmpdir(), 'vireo-shared-'));
  roots.push(root);
  const note = noteShared(files, root);
  await note(join(root, 'gone'));
  await expect(writeOutShared({ files, processes }, root)()).resolves.toBeUndefined();
});
