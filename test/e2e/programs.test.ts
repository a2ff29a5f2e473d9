/** A program that works on a guest's volume dies with the guest: real control groups, a real pool, and what a keeper does to both. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { Admission } from '../../src/base/processes.ts';
import type { World } from '../../src/base/world.ts';
import { createCgroups } from '../../src/drivers/cgroup/cgroups.ts';
import { type Cgroups, jobsGroup } from '../../src/drivers/cgroup/contract.ts';
import type { ArchivedVolume, StoragePool } from '../../src/drivers/storage/contract.ts';
import { openDirectoryPool } from '../../src/drivers/storage/directory/pool.ts';
import { programGroups } from '../../src/main/drivers/programs.ts';
import { guestsPort } from '../../src/main/keeper/ports.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { must } from './harness/commands.ts';

const { signal } = new AbortController();
const GUEST = 'g1';

const world: World = { ...realWorld(), log: silentLog };

/** The same machine, as one sees it that has mounted version 2 and nothing else. */
async function withVersion2(): Promise<World> {
  const mounts = (await world.files.readText('/proc/self/mounts')) ?? '';
  const unified = mounts.split('\n').filter((line) => line.split(' ')[2] === 'cgroup2');
  const readText: World['files']['readText'] = async (path) =>
    path === '/proc/self/mounts' ? unified.join('\n') : world.files.readText(path);
  return { ...world, files: { ...world.files, readText } };
}

const version2 = await withVersion2();
const hasVersion2 = (await version2.files.readText('/proc/self/mounts')) !== '';

describe.each([
  ['as they are mounted', world],
  ...(hasVersion2 ? [['of version 2 alone', version2] as const] : []),
] as const)('a restore of a guest that is off, with control groups %s', (_name, seen) => {
  let path: string;
  let cgroups: Cgroups;
  let pool: StoragePool;
  let within: <T>(work: () => Promise<T>) => Promise<T>;

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'vireo-programs-'));
    cgroups = await createCgroups({ world: seen, root: `vireo-programs-${process.pid}` });
    const { admission, programs } = programGroups(cgroups);
    if (programs === undefined) throw new Error('this host has no control groups');
    const admit: Admission = async () => ({
      prefix: await programs.door(GUEST, { bootID: 'boot', term: 1 }),
      ended: () => {},
    });
    within = (work) => programs.within(admit, work);
    pool = await openDirectoryPool({
      world,
      admission,
      config: { type: 'Directory', name: 'local', path: join(path, 'pool') },
    });
    const owner = { guestUuid: 'uuid', guest: 'web', disk: 'rootfs' };
    await pool.create({ id: 'g1-rootfs', owner, kind: 'Filesystem', format: 'raw' }, signal);
    await must(['mkfifo', join(path, 'archive')]);
  });

  afterEach(async () => {
    await cgroups.killAll(jobsGroup(GUEST));
    await cgroups.remove(GUEST);
    await cgroups.removeRoot();
    await rm(path, { recursive: true, force: true });
  });

  /** Its tar waits for an archive that never comes. */
  const restore = () => {
    const part = { name: 'rootfs', kind: 'Filesystem', file: 'rootfs.tar', format: 'tar' } as const;
    const archived: ArchivedVolume = {
      path: join(path, 'archive'),
      part: { ...part, sizeBytes: 0, storedBytes: 0, sha256: '' },
      check: async () => {},
    };
    const open = async () => archived;
    return within(() => pool.replacements.prepare({ id: 'g1-rootfs', name: 'back', open }, signal));
  };
  const members = () => cgroups.members(jobsGroup(GUEST));
  const commandOf = async (pid: number) => (await world.files.readText(`/proc/${pid}/cmdline`)) ?? '';

  it('has its tar frozen and killed with the guest, and starts no program after that', async () => {
    const guests = guestsPort(cgroups, async () => {});
    await guests.admit(GUEST, 1);
    const restored = restore().then(
      () => 'restored',
      (error: unknown) => String(error),
    );
    await expect.poll(members, { timeout: 20_000 }).toHaveLength(1);
    const [pid = 0] = await members();
    await expect.poll(() => commandOf(pid), { timeout: 20_000 }).toMatch(/^tar\0/);

    await guests.freeze(GUEST);
    expect(await cgroups.isFrozen(jobsGroup(GUEST))).toBe(true);
    await guests.thaw(GUEST);
    expect(await commandOf(pid)).toMatch(/^tar\0/);

    await guests.kill(GUEST);
    expect(await members()).toEqual([]);
    expect(await commandOf(pid)).toBe('');
    // 126: its clean-up wanted a program as well, and found no group any more; 137: that one was killed with the tar, or had ended before.
    expect(await restored).toMatch(/126|137/);
    expect(await restore().catch((error: unknown) => String(error))).toContain('126');
    expect(await pool.observe('g1-rootfs')).toMatchObject({ id: 'g1-rootfs' });
    await expect(within(() => pool.replacements.swap(['g1-rootfs'], 'back'))).rejects.toMatchObject({
      reason: 'ReplacementMissing',
    });
  });

  it('starts no program where the keeper has made no group for this life', async () => {
    expect(await restore().catch((error: unknown) => String(error))).toContain('126');
    expect(await members()).toEqual([]);
  });
});
