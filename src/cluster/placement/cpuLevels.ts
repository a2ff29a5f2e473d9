/** The levels of x86-64 by the flags of /proc/cpuinfo they need: "x86-64 psABI", https://gitlab.com/x86-psABIs/x86-64-ABI, table 3.1. */

const V2 = ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'] as const;
const V3 = [...V2, 'abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave'] as const;
const V4 = [...V3, 'avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'] as const;

const LEVELS: Readonly<Record<string, readonly string[]>> = {
  'x86-64-v2': V2,
  'x86-64-v2-AES': [...V2, 'aes'],
  'x86-64-v3': V3,
  'x86-64-v4': V4,
};

/** Flags a processor must have to show this CPU model; none are known for models that are no level. */
export function flagsOf(model: string): readonly string[] {
  return LEVELS[model] ?? [];
}
