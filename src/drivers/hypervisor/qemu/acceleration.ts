/** Whether KVM works on this host, found out by letting it run a guest: an open /dev/kvm proves nothing. */
import { explainFailure } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import type { HypervisorFacts } from '../contract.ts';
import { probeImage, probeSuccess } from './probe/image.ts';

/** Twenty million loops take a tenth of a second where KVM works; where it interprets, more than twenty. */
const kvmProbeMs = 2_000;

type Ports = Pick<World, 'files' | 'processes'>;
export type Acceleration = Pick<HypervisorFacts, 'accelerator' | 'acceleratorReason'>;

/** What to run guests on, and why; takes up to two seconds where KVM does not work. `directory` holds the probe while it runs. */
export async function findAcceleration(
  world: Ports,
  program: string,
  directory: string,
): Promise<Acceleration> {
  if ((await world.files.stat('/dev/kvm')) === undefined) {
    return { accelerator: 'tcg', acceleratorReason: 'KvmDeviceMissing: this host has no /dev/kvm' };
  }
  const verdict = createVerdict(world, directory);
  const known = await verdict.read(program);
  if (known !== undefined) return { accelerator: 'tcg', acceleratorReason: known };
  const image = `${directory}/probe`;
  await world.files.makeDirectory(directory, { mode: 0o700 });
  await world.files.writeAtomic(image, probeImage());
  const argv = [...probeArguments(program, 'kvm'), '-kernel', image];
  const result = await world.processes.run(argv, { timeoutMs: kvmProbeMs });
  await world.files.remove(image);
  if (result.code === probeSuccess) {
    return { accelerator: 'kvm', acceleratorReason: 'KvmUsable: a test guest ran under KVM' };
  }
  if (result.timedOut) {
    const message = `KvmTooSlow: a test guest did not come to its end under KVM within ${kvmProbeMs / 1000} seconds`;
    await verdict.write(program, message);
    return { accelerator: 'tcg', acceleratorReason: message };
  }
  if (/permission denied/i.test(result.stderr)) {
    const message = 'KvmDenied: /dev/kvm may not be opened; run as root or join the group kvm';
    return { accelerator: 'tcg', acceleratorReason: message };
  }
  return { accelerator: 'tcg', acceleratorReason: `KvmBroken: ${explainFailure([program], result)}` };
}

/**
 * The verdict that takes two seconds to reach is kept until the next boot, for the same QEMU: a restart of the agent must not wait for it
 * again. All others cost next to nothing and are asked anew.
 */
function createVerdict({ files }: Ports, directory: string) {
  const path = `${directory}/kvm-too-slow`;
  const key = async (program: string) => {
    const boot = (await files.readText('/proc/sys/kernel/random/boot_id'))?.trim();
    const built = (await files.stat(program))?.modifiedMs;
    return boot === undefined || built === undefined ? undefined : `${boot} ${program} ${built}`;
  };
  return {
    read: async (program: string): Promise<string | undefined> => {
      const [first, message] = ((await files.readText(path)) ?? '').split('\n');
      return message !== undefined && message !== '' && first === (await key(program)) ? message : undefined;
    },
    write: async (program: string, message: string): Promise<void> => {
      const text = await key(program);
      if (text !== undefined) await files.writeAtomic(path, `${text}\n${message}\n`);
    },
  };
}

/** A machine of nothing but memory, a processor and a device that ends it with an exit code. */
export function probeArguments(program: string, accelerator: 'kvm' | 'tcg'): string[] {
  const machine = ['-accel', accelerator, '-nodefaults', '-no-user-config', '-display', 'none', '-m', '16'];
  return [program, ...machine, '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'];
}
