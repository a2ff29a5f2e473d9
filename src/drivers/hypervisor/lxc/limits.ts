/** A container's wishes as limits of its control group. Pure. */
import type { CgroupLimits } from '../../cgroup/contract.ts';
import type { ContainerRequest } from '../contract.ts';

/**
 * `cores` is a ceiling like `limit`, in whole CPUs: the lower one counts. A memory limit without `swapBytes` means no swap at all, so that
 * a guest cannot push the host into swapping by default.
 */
export function limitsOf(request: ContainerRequest): CgroupLimits {
  const { cpu, memoryBytes, swapBytes, pidsLimit } = request;
  const ceilings = [cpu.cores, cpu.limit].filter((value) => value !== undefined);
  return {
    ...(ceilings.length > 0 && { cpuLimit: Math.min(...ceilings) }),
    ...(memoryBytes !== undefined && { memoryBytes, swapBytes: swapBytes ?? 0 }),
    ...(pidsLimit !== undefined && { pids: pidsLimit }),
  };
}

/** `request` with the limits of another one. */
export function withLimitsOf(request: ContainerRequest, other: ContainerRequest): ContainerRequest {
  const { memoryBytes: _memory, swapBytes: _swap, pidsLimit: _pids, ...rest } = request;
  const { cpu, memoryBytes, swapBytes, pidsLimit } = other;
  return {
    ...rest,
    cpu,
    ...(memoryBytes !== undefined && { memoryBytes }),
    ...(swapBytes !== undefined && { swapBytes }),
    ...(pidsLimit !== undefined && { pidsLimit }),
  };
}
