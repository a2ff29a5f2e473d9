/** A group of its own for one process, on both kernel interfaces: apart from all others, before them, and as far as the host allows it. */
import { describe, expect, it } from 'vitest';
import { enterOwnGroup, removeOwnGroup } from '../../../../src/drivers/cgroup/own.ts';
import { type FakeKernelOptions, fakeKernel, v1Mounts, v2Mounts } from './kernel.ts';

const OWN = { group: 'keeper-1', pid: 20, memoryBytes: 2 ** 28 };

function host(mounts: string, options: FakeKernelOptions = {}) {
  const kernel = fakeKernel(mounts, options);
  kernel.spawn(OWN.pid);
  const at = (hierarchy: string) => `/sys/fs/cgroup${hierarchy}/${OWN.group}`;
  return { kernel, at, file: (path: string) => kernel.groups.files.get(path) };
}

describe('a process in a group of its own', () => {
  it('has its memory to itself and comes first, with version 2', async () => {
    const { kernel, at, file } = host(v2Mounts);
    expect(await enterOwnGroup(kernel, OWN)).toEqual([]);
    expect(file(`${at('')}/cgroup.procs`)).toBe('20');
    expect(file(`${at('')}/memory.min`)).toBe('268435456');
    expect(file(`${at('')}/memory.swap.max`)).toBe('0');
    expect(file(`${at('')}/cpu.weight`)).toBe('10000');
    // What it touches once it is in counts there, and is protected from the first byte.
    expect(kernel.writes.at(-1)).toBe(`${at('')}/cgroup.procs=20`);
  });

  it('is in every hierarchy of version 1, is not swapped out, and comes first', async () => {
    const { kernel, at, file } = host(v1Mounts);
    expect(await enterOwnGroup(kernel, OWN)).toEqual([]);
    for (const mount of kernel.groups.mountPoints)
      expect(file(`${mount}/${OWN.group}/cgroup.procs`), mount).toBe('20');
    expect(file(`${at('/memory')}/memory.swappiness`)).toBe('0');
    expect(file(`${at('/cpu,cpuacct')}/cpu.shares`)).toBe('262144');
  });

  it('leaves the group of those that started it, so that it does not end with them', async () => {
    const { kernel, file } = host(v2Mounts);
    kernel.groups.add('/sys/fs/cgroup/agent');
    for (const pid of [19, 20]) kernel.groups.write('/sys/fs/cgroup/agent/cgroup.procs', String(pid));
    await enterOwnGroup(kernel, OWN);
    expect(file('/sys/fs/cgroup/agent/cgroup.procs')).toBe('19');
  });

  it('finds its group there already, as the next one after it', async () => {
    const { kernel, at, file } = host(v2Mounts);
    await enterOwnGroup(kernel, OWN);
    kernel.end(OWN.pid);
    kernel.spawn(21);
    expect(await enterOwnGroup(kernel, { ...OWN, pid: 21 })).toEqual([]);
    expect(file(`${at('')}/cgroup.procs`)).toBe('21');
  });
});

describe('a host that does not let it have all of that', () => {
  it('says so, and gives what it has', async () => {
    const { kernel, at, file } = host(v2Mounts);
    kernel.groups.files.set('/sys/fs/cgroup/cgroup.controllers', 'cpu');
    const add = kernel.groups.add;
    kernel.groups.add = (path) => {
      add(path);
      for (const name of ['memory.min', 'memory.swap.max']) kernel.groups.files.delete(`${path}/${name}`);
    };
    expect(await enterOwnGroup(kernel, OWN)).toEqual(['no group has a say in memory']);
    expect(file(`${at('')}/cpu.weight`)).toBe('10000');
    expect(file(`${at('')}/cgroup.procs`)).toBe('20');
  });

  it('because it has no control groups, or lets nobody make one', async () => {
    expect(await enterOwnGroup(fakeKernel(''), OWN)).toEqual(['no control groups are mounted']);
    const { kernel, at } = host(v2Mounts, { readOnly: true });
    expect(await enterOwnGroup(kernel, OWN)).toContain(`${at('')}: EACCES`);
  });

  it('in one hierarchy is entered in the others', async () => {
    const { kernel, file, at } = host(v1Mounts);
    kernel.groups.files.set('/sys/fs/cgroup/cpuset/cpuset.cpus', '');
    expect(await enterOwnGroup(kernel, OWN)).toEqual([expect.stringContaining('ENOSPC')]);
    expect(file(`${at('/memory')}/cgroup.procs`)).toBe('20');
    expect(file(`${at('/freezer')}/cgroup.procs`)).toBe('20');
  });
});

it.each([v1Mounts, v2Mounts])(
  'the group is removed once the process has gone, and not before',
  async (mounts) => {
    const { kernel } = host(mounts);
    await enterOwnGroup(kernel, OWN);
    await expect(removeOwnGroup(kernel, OWN.group)).rejects.toMatchObject({ reason: 'CgroupBusy' });
    kernel.end(OWN.pid);
    await removeOwnGroup(kernel, OWN.group);
    expect([...kernel.groups.directories].filter((path) => path.includes(OWN.group))).toEqual([]);
    await removeOwnGroup(kernel, OWN.group);
  },
);
