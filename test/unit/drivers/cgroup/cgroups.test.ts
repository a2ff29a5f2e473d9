/** Groups of guests on both kernel interfaces: made, entered, limited, frozen, killed and removed in every hierarchy. */
import { describe, expect, it } from 'vitest';
import { createCgroups } from '../../../../src/drivers/cgroup/cgroups.ts';
import { jobsGroup } from '../../../../src/drivers/cgroup/contract.ts';
import { createNoCgroups } from '../../../../src/drivers/cgroup/none.ts';
import { fakeKernel, v1Mounts, v2Mounts } from './kernel.ts';

const root = 'vireo/h1';
const mib = 2 ** 20;

async function open(mounts: string, options: Parameters<typeof fakeKernel>[1] = {}) {
  const kernel = fakeKernel(mounts, options);
  return { kernel, cgroups: await createCgroups({ world: kernel, root }) };
}

async function withGuest(mounts: string, pids: number[], options: Parameters<typeof fakeKernel>[1] = {}) {
  const { kernel, cgroups } = await open(mounts, options);
  await cgroups.create('abc/payload');
  for (const pid of pids) {
    kernel.spawn(pid);
    await cgroups.enter('abc/payload', pid);
  }
  return { kernel, cgroups };
}

describe.each([
  ['version 1', v1Mounts, 1],
  ['version 2', v2Mounts, 2],
] as const)('control groups of %s', (_, mounts, version) => {
  it('finds the version and makes its root', async () => {
    const { kernel, cgroups } = await open(mounts);
    expect(cgroups.version).toBe(version);
    expect(kernel.writes.filter((line) => line.includes('cgroup.procs'))).toEqual([]);
    expect(await cgroups.list()).toEqual([]);
  });

  it('knows every member below a guest group, and none where there is no group', async () => {
    const { cgroups } = await withGuest(mounts, [30, 20]);
    expect(await cgroups.members('abc')).toEqual([20, 30]);
    expect(await cgroups.members('xyz')).toEqual([]);
    expect(await cgroups.list()).toEqual(['abc']);
  });

  it('has groups for programs beside those of guests, by a door that is shut when they are gone', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20]);
    const group = `${jobsGroup('abc')}/7`;
    await cgroups.createFreezable(group);
    const door = cgroups.door(group).at(-1) ?? '';
    const mount = version === 1 ? '/sys/fs/cgroup/freezer' : '/sys/fs/cgroup';
    expect(door).toBe(`${mount}/${root}/jobs/abc/7/cgroup.procs`);
    kernel.spawn(30);
    await kernel.files.writeInPlace(door, '30');
    expect([await cgroups.members('abc'), await cgroups.members(jobsGroup('abc'))]).toEqual([[20], [30]]);
    expect(await cgroups.list('jobs')).toEqual(['abc']);
    await cgroups.freeze('abc/payload');
    expect(kernel.groups.isFrozen(30)).toBe(false);
    await cgroups.freeze(jobsGroup('abc'));
    await cgroups.killAll(jobsGroup('abc'));
    await cgroups.remove(jobsGroup('abc'));
    expect([kernel.alive(20), kernel.alive(30)]).toEqual([true, false]);
    expect(await kernel.files.stat(door)).toBeUndefined();
  });

  it('sees a process the guest hid in a group named like a control file', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20]);
    await cgroups.members('abc');
    kernel.spawn(21);
    await cgroups.create('abc/payload/memory.evil');
    await cgroups.enter('abc/payload/memory.evil', 21);
    expect(await cgroups.members('abc')).toEqual([20, 21]);
  });

  it('never takes a process of another pid namespace for an empty group', async () => {
    const { kernel, cgroups } = await withGuest(mounts, []);
    const mount = version === 1 ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
    kernel.groups.files.set(`${mount}/${root}/abc/payload/cgroup.procs`, '0');
    await expect(cgroups.members('abc')).rejects.toMatchObject({ reason: 'ForeignProcess' });
  });

  it('tells what a group has used, without what the kernel would drop first', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20]);
    expect(await cgroups.usage('xyz')).toBeUndefined();
    const put = (controller: string, file: string, text: string) => {
      const mount = version === 1 ? `/sys/fs/cgroup/${controller}` : '/sys/fs/cgroup';
      kernel.groups.files.set(`${mount}/${root}/abc/${file}`, text);
    };
    if (version === 1) {
      put('cpu,cpuacct', 'cpuacct.usage', '2500000000\n');
      put('memory', 'memory.usage_in_bytes', String(5 * mib));
      put('memory', 'memory.stat', `inactive_file 1\ntotal_inactive_file ${2 * mib}\n`);
    } else {
      put('', 'cpu.stat', 'usage_usec 2500000\nuser_usec 1\n');
      put('', 'memory.current', String(5 * mib));
      put('', 'memory.stat', `anon 1\ninactive_file ${2 * mib}\n`);
    }
    expect(await cgroups.usage('abc')).toEqual({ cpuSeconds: 2.5, memoryBytes: 3 * mib });
  });

  it('kills frozen members as well', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20, 21]);
    await cgroups.freeze('abc/payload');
    expect(await cgroups.isFrozen('abc/payload')).toBe(true);
    await cgroups.killAll('abc');
    expect(await cgroups.members('abc')).toEqual([]);
    expect(kernel.alive(20) || kernel.alive(21)).toBe(false);
  });

  it('gives up on a process that does not die, and says which', async () => {
    const { cgroups } = await withGuest(mounts, [20], { immortal: 20 });
    await expect(cgroups.killAll('abc', { timeoutMs: 200 })).rejects.toMatchObject({
      reason: 'ProcessesRemain',
      message: expect.stringContaining('20'),
    });
  });

  it('is thawed after a thaw', async () => {
    const { cgroups } = await withGuest(mounts, [20]);
    await cgroups.freeze('abc');
    await cgroups.thaw('abc');
    expect(await cgroups.isFrozen('abc')).toBe(false);
  });

  it('removes an empty guest with all below it, and refuses one that still runs', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20]);
    await expect(cgroups.remove('abc')).rejects.toMatchObject({ reason: 'CgroupBusy' });
    await cgroups.killAll('abc');
    await cgroups.remove('abc');
    await cgroups.remove('abc');
    expect(await cgroups.list()).toEqual([]);
    await cgroups.removeRoot();
    const mount = version === 1 ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
    expect(kernel.groups.directories.has(`${mount}/${root}`)).toBe(false);
  });

  it('ends a group with what enters it while it is being ended, so that nothing is left to enter', async () => {
    const { kernel, cgroups } = await withGuest(mounts, [20]);
    const door = cgroups.door('abc/payload').at(-1) ?? '';
    const { remove } = kernel.files;
    const late = [30, 31];
    kernel.files.remove = async (path) => {
      const pid = door.startsWith(`${path}/`) ? late.shift() : undefined;
      if (pid !== undefined) {
        kernel.spawn(pid);
        await kernel.files.writeInPlace(door, String(pid));
      }
      return remove(path);
    };
    await cgroups.end('abc', { timeoutMs: 1_000 });
    expect([late, kernel.alive(30), kernel.alive(31)]).toEqual([[], false, false]);
    expect(await cgroups.list()).toEqual([]);
    await cgroups.end('abc', { timeoutMs: 1_000 });
  });

  it('says what does not end with its group, in time', async () => {
    const { cgroups } = await withGuest(mounts, [20], { immortal: 20 });
    await expect(cgroups.end('abc', { timeoutMs: 200 })).rejects.toMatchObject({ reason: 'ProcessesRemain' });
  });

  it('keeps the root while a guest is in it', async () => {
    const { cgroups } = await withGuest(mounts, [20]);
    await cgroups.removeRoot();
    expect(await cgroups.members('abc')).toEqual([20]);
  });

  it('tells the limits it set, and none once they are lifted', async () => {
    const { cgroups } = await withGuest(mounts, []);
    const limits = { cpuLimit: 1.5, memoryBytes: 64 * mib, swapBytes: 16 * mib, pids: 30 };
    await cgroups.limit('abc/payload', limits);
    expect(await cgroups.limits('abc/payload')).toEqual(limits);
    await cgroups.limit('abc/payload', {});
    expect(await cgroups.limits('abc/payload')).toEqual({});
  });

  it('raises and lowers memory in the order the kernel accepts', async () => {
    const { cgroups } = await withGuest(mounts, []);
    for (const memoryBytes of [64 * mib, 256 * mib, 32 * mib]) {
      await cgroups.limit('abc', { memoryBytes, swapBytes: 0 });
      expect((await cgroups.limits('abc')).memoryBytes).toBe(memoryBytes);
    }
  });

  it('tells another program what to write for the same limits, swap included', async () => {
    const { cgroups } = await open(mounts);
    const files = cgroups.settings({ memoryBytes: 64 * mib, swapBytes: 16 * mib }).map(({ file }) => file);
    expect(files).toEqual(
      version === 1
        ? ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']
        : ['memory.max', 'memory.swap.max'],
    );
  });

  it('writes nothing when the limits are as wanted', async () => {
    const { kernel, cgroups } = await withGuest(mounts, []);
    await cgroups.limit('abc', { cpuLimit: 2, memoryBytes: mib, swapBytes: mib, pids: 5 });
    const before = kernel.writes.length;
    await cgroups.limit('abc', { cpuLimit: 2, memoryBytes: mib, swapBytes: mib, pids: 5 });
    expect(kernel.writes.length).toBe(before);
  });

  it('refuses ids that would leave the root', async () => {
    const { cgroups } = await open(mounts);
    for (const id of ['../x', '/x', 'a/../../b', '', 'a//b', '..']) {
      await expect(cgroups.create(id)).rejects.toMatchObject({
        reason: 'InvalidName',
      });
    }
  });
});

describe('a version 1 cpuset', () => {
  it('lets others make groups below ours that processes can enter', async () => {
    const { kernel, cgroups } = await open(v1Mounts);
    await cgroups.create('abc');
    for (const group of [root, `${root}/abc`]) {
      const directory = `/sys/fs/cgroup/cpuset/${group}`;
      expect(kernel.groups.files.get(`${directory}/cpuset.cpus`)).toBe('0-1');
      expect(kernel.groups.files.get(`${directory}/cgroup.clone_children`)).toBe('1');
    }
  });
});

describe('control groups where they cannot be had', () => {
  it('says to run as root when the groups are read-only', async () => {
    const kernel = fakeKernel(v1Mounts, { readOnly: true });
    await expect(createCgroups({ world: kernel, root })).rejects.toMatchObject({
      reason: 'CgroupsUnavailable',
      stalled: true,
      message: expect.stringContaining('EACCES'),
    });
  });

  it('says what to mount when there are none', async () => {
    const kernel = fakeKernel('proc /proc proc rw 0 0');
    await expect(createCgroups({ world: kernel, root })).rejects.toMatchObject({
      reason: 'CgroupsUnavailable',
    });
  });

  it('names the file and the cause when the kernel refuses a value', async () => {
    const { kernel, cgroups } = await withGuest(v2Mounts, []);
    kernel.groups.files.set(`/sys/fs/cgroup/${root}/abc/memory.stat`, `anon ${100 * mib}`);
    await expect(cgroups.limit('abc', { memoryBytes: 64 * mib })).rejects.toMatchObject({
      reason: 'CgroupRefused',
      message: expect.stringContaining('memory.max'),
    });
  });

  it('says which controller is missing when a limit needs it', async () => {
    const { cgroups } = await withGuest(v1Mounts.replace(/^.*pids.*$/m, ''), []);
    await cgroups.limit('abc', { memoryBytes: mib });
    await expect(cgroups.limit('abc', { pids: 3 })).rejects.toMatchObject({
      reason: 'CgroupControllerMissing',
    });
  });
});

describe('a host without control groups', () => {
  it('knows the processes that entered until they are gone', async () => {
    const kernel = fakeKernel(v1Mounts);
    const cgroups = createNoCgroups({ world: kernel });
    kernel.spawn(20);
    await cgroups.create('abc');
    await cgroups.enter('abc', 20);
    expect(cgroups.version).toBe(0);
    expect(await cgroups.members('abc')).toEqual([20]);
    await expect(cgroups.remove('abc')).rejects.toMatchObject({ reason: 'CgroupBusy' });
    await cgroups.killAll('abc');
    expect(await cgroups.members('abc')).toEqual([]);
    await cgroups.remove('abc');
    expect(await cgroups.list()).toEqual([]);
  });

  it('refuses limits in words instead of forgetting them', async () => {
    const cgroups = createNoCgroups({ world: fakeKernel(v1Mounts) });
    await cgroups.limit('abc', {});
    await expect(cgroups.limit('abc', { pids: 3 })).rejects.toMatchObject({ reason: 'CgroupsUnavailable' });
    await expect(cgroups.freeze('abc')).rejects.toMatchObject({ reason: 'CgroupsUnavailable' });
  });
});
