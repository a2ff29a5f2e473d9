import { describe, expect, it } from 'vitest';
import type { Processes, RunResult } from '../../../../src/base/processes.ts';
import { findAcceleration } from '../../../../src/drivers/hypervisor/qemu/acceleration.ts';
import { createMemoryFiles, type Disk } from '../../agent/memoryFiles.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';

/** A host with /dev/kvm whose probe ends like this. */
function host(result: Partial<RunResult>, boot = 'boot-1') {
  const disk: Disk = new Map([
    ['/dev/kvm', ''],
    [QEMU, ''],
    ['/proc/sys/kernel/random/boot_id', `${boot}\n`],
  ]);
  let probes = 0;
  const run: Processes['run'] = async () => {
    probes += 1;
    return { code: 1, stdout: '', stderr: '', timedOut: false, ...result };
  };
  const processes = { run } as Processes;
  return {
    disk,
    look: () => findAcceleration({ files: createMemoryFiles(disk), processes }, QEMU, '/run/x'),
    probes: () => probes,
  };
}

describe('whether KVM works', () => {
  it('is believed only when a guest has run under it', async () => {
    expect((await host({ code: 85 }).look()).accelerator).toBe('kvm');
    expect(
      await host({ code: 1, stderr: 'Could not access KVM kernel module: Permission denied' }).look(),
    ).toMatchObject({
      accelerator: 'tcg',
      acceleratorReason: expect.stringContaining('KvmDenied'),
    });
    const { disk, look } = host({ code: 85 });
    disk.delete('/dev/kvm');
    expect((await look()).acceleratorReason).toContain('KvmDeviceMissing');
  });

  it('is not waited for twice when it is too slow, until the next boot', async () => {
    const slow = host({ timedOut: true, code: 137 });
    const first = await slow.look();
    expect(first).toMatchObject({
      accelerator: 'tcg',
      acceleratorReason: expect.stringContaining('KvmTooSlow'),
    });
    expect(await slow.look()).toEqual(first);
    expect(slow.probes()).toBe(1);
    slow.disk.set('/proc/sys/kernel/random/boot_id', 'boot-2\n');
    await slow.look();
    expect(slow.probes()).toBe(2);
  });

  it('is asked again when it was denied: that can be mended at any time', async () => {
    const denied = host({ stderr: 'Permission denied' });
    await denied.look();
    await denied.look();
    expect(denied.probes()).toBe(2);
  });
});
