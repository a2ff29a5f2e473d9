/** Noticing that processes of containers are gone. */
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import { createWatchers } from '../../../../src/drivers/hypervisor/lxc/watch.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';
import { fakeKernel, v1Mounts } from '../cgroup/kernel.ts';

function host(pids: number[]) {
  const kernel = fakeKernel(v1Mounts);
  for (const pid of pids) kernel.spawn(pid);
  const clock = createFakeClock();
  const heard: string[] = [];
  const watchers = createWatchers({ clock, files: kernel.files, log: silentLog });
  const stop = watchers.watch((id) => heard.push(id));
  return { kernel, clock, heard, watchers, stop };
}

const gone = (kernel: ReturnType<typeof fakeKernel>, pid: number) => {
  kernel.end(pid);
  kernel.groups.files.delete(`/proc/${pid}/stat`);
};

describe('watching containers', () => {
  it('tells once that one of its processes is gone, and of no other container', async () => {
    const { kernel, clock, heard, watchers } = host([10, 11, 20, 21]);
    watchers.track('web', [10, 11]);
    watchers.track('db', [20, 21]);
    await clock.advance(1_000);
    expect(heard).toEqual([]);
    gone(kernel, 11);
    await clock.advance(600);
    expect(heard).toEqual(['web']);
    await clock.advance(5_000);
    expect(heard).toEqual(['web']);
  });

  it('tells again once it was looked at again', async () => {
    const { kernel, clock, heard, watchers } = host([10, 30]);
    watchers.track('web', [10]);
    gone(kernel, 10);
    await clock.advance(600);
    watchers.track('web', [30]);
    gone(kernel, 30);
    await clock.advance(600);
    expect(heard).toEqual(['web', 'web']);
  });

  it('has nothing to do without listeners, and nothing after the end', async () => {
    const { clock, watchers, stop } = host([]);
    expect(clock.pending()).toBe(1);
    stop();
    expect(clock.pending()).toBe(0);
    watchers.watch(() => {});
    watchers.close();
    expect(clock.pending()).toBe(0);
  });

  it('goes on after /proc could not be read once', async () => {
    const { kernel, clock, heard, watchers } = host([10]);
    watchers.track('web', [10]);
    const list = kernel.files.list;
    kernel.files.list = () => Promise.reject(new Error('no memory'));
    await clock.advance(600);
    kernel.files.list = list;
    gone(kernel, 10);
    await clock.advance(600);
    expect(heard).toEqual(['web']);
  });
});
