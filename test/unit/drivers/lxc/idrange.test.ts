/** Grants of host ids in /etc/subuid and /etc/subgid: ours come and go, the administrator's stay. */
import { describe, expect, it } from 'vitest';
import { ensureIdRange, removeIdRange } from '../../../../src/drivers/hypervisor/lxc/idrange.ts';
import { fakeKernel, v1Mounts } from '../cgroup/kernel.ts';

const range = { base: 1_000_000, count: 65_536 };
const other = { base: 2_000_000, count: 65_536 };

function host(subuid?: string) {
  const kernel = fakeKernel(v1Mounts);
  kernel.groups.files.set('/proc/self', '42');
  kernel.spawn(42);
  if (subuid !== undefined) kernel.groups.files.set('/etc/subuid', subuid);
  return { world: kernel, text: (name: string) => kernel.groups.files.get(`/etc/${name}`) };
}

describe('a range of host ids', () => {
  it('is granted to root in both files, which may be missing', async () => {
    const { world, text } = host();
    await ensureIdRange(world, range);
    for (const name of ['subuid', 'subgid']) expect(text(name)).toMatch(/^# vireo.*\nroot:1000000:65536\n$/);
  });

  it('is granted once, however often it is asked for, and in whatever order', async () => {
    const { world, text } = host();
    await ensureIdRange(world, range);
    await ensureIdRange(world, other);
    const before = text('subuid');
    await ensureIdRange(world, range);
    expect(text('subuid')).toBe(before);
  });

  it('leaves with everything else as it was', async () => {
    const admin = 'alice:100000:65536\n# root gets some too\nroot:1000000:65536\n';
    const { world, text } = host(admin);
    await ensureIdRange(world, range);
    await ensureIdRange(world, other);
    await removeIdRange(world, range);
    await removeIdRange(world, range);
    await removeIdRange(world, other);
    expect(text('subuid')).toBe(admin);
    expect(text('subgid')).toBe('');
  });

  it('of another host of this machine stays when ours leaves', async () => {
    const { world, text } = host();
    await ensureIdRange(world, range);
    await ensureIdRange(world, other);
    await removeIdRange(world, range);
    expect(text('subuid')).toMatch(/^# vireo.*\nroot:2000000:65536\n$/);
  });

  it('is granted to each of many containers that start at once', async () => {
    const { world, text } = host();
    const bases = Array.from({ length: 20 }, (_, at) => 1_000_000 + at * 65_536);
    await Promise.all(bases.map((base) => ensureIdRange(world, { base, count: 65_536 })));
    for (const base of bases) expect(text('subuid')).toContain(`root:${base}:65536\n`);
    await Promise.all(bases.map((base) => removeIdRange(world, { base, count: 65_536 })));
    expect(text('subuid')).toBe('');
    expect(await world.files.list('/etc')).toEqual(['subgid', 'subuid']);
    expect(await world.files.list('/run')).toEqual([]);
  });

  it('waits for whoever edits the file, and not for one who died doing so', async () => {
    const { world, text } = host('');
    world.groups.files.set('/etc/subuid.lock', '77');
    await ensureIdRange(world, range);
    expect(text('subuid')).toContain('root:1000000:65536');
    world.groups.files.set('/etc/subuid.lock', '78');
    world.spawn(78);
    await expect(ensureIdRange(world, other)).rejects.toMatchObject({ reason: 'IdFileLocked' });
    expect(text('subuid')).not.toContain('root:2000000:65536');
  });

  it('does not run into a last line without an end', async () => {
    const { world, text } = host('alice:100000:65536');
    await ensureIdRange(world, range);
    expect(text('subuid')).toMatch(/^alice:100000:65536\n# vireo/);
  });
});
