/** Processors and memory of the machine. Pure. */
import type { PlanInput } from './input.ts';
import { optionList } from './options.ts';

const level2 = ['cx16', 'lahf-lm', 'popcnt', 'pni', 'sse4.1', 'sse4.2', 'ssse3'];
const level3 = [...level2, 'abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave'];
const level4 = [...level3, 'avx512bw', 'avx512cd', 'avx512dq', 'avx512f', 'avx512vl'];

/**
 * The levels of the x86-64 psABI on top of QEMU's vendor-neutral model. Guests are pinned to these names: a level never changes.
 * https://gitlab.com/x86-psABIs/x86-64-ABI
 */
const levels: Readonly<Record<string, readonly string[]>> = {
  'x86-64-v2': level2,
  'x86-64-v3': level3,
  'x86-64-v4': level4,
};

/** Model and topology. */
export function planCpu({ hardware, request, accelerator }: PlanInput): string[] {
  const { sockets, cores, threads } = request.cpu;
  const topology = optionList('', { cpus: sockets * cores * threads, sockets, cores, threads });
  return ['-cpu', cpuOption(hardware.cpuModel, accelerator), '-smp', topology];
}

function cpuOption(model: string, accelerator: PlanInput['accelerator']): string {
  // Recorded on a host with KVM, started on one without: there is no host model to pass through.
  if (model === 'host' && accelerator === 'tcg') return 'max';
  const features = levels[model];
  return features === undefined ? model : ['qemu64', ...features.map((name) => `+${name}`)].join(',');
}

/** Main memory: whole MiB, and what the hardware has on top. */
export function planMemory({ request, hardware: { extraMemoryKib } }: PlanInput): string[] {
  const mib = Math.ceil(request.memoryBytes / 1024 ** 2);
  return [
    '-m',
    optionList('', { size: extraMemoryKib === undefined ? `${mib}M` : `${mib * 1024 + extraMemoryKib}K` }),
  ];
}
