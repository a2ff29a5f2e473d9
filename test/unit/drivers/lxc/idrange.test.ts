/** Grants of host ids in /etc/subuid and /etc/subgid: ours come and go, the administrator's stay. */
import { describe, expect, it } from 'vitest';
import { ensureIdRange, removeIdRange } from '../../../../src/drivers/hypervisor/lxc/idrange.ts';
import { fakeKernel, v1Mounts } from '../cgroup/kernel.ts';

const range = { base: 1_000_000, count: 65_536 };
const other = { base: 2_000_000, count: 65_536 };

function host(subuid?: string) {
  const kernel = fakeKernel(v1Mounts);
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

  it('does not run into a last line without an end', async () => {
    const { world, text } = host('alice:100000:65536');
    await ensureIdRange(world, range);
    expect(text('subuid')).toMatch(/^alice:100000:65536\n# vireo/);
  });
});
