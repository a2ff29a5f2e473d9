/** What goes wrong on simulated hosts, and how long things take: the file of `--simulation`. */
import { CORE_SCHEMA, load } from 'js-yaml';
import { ReasonedError } from '../../base/outcome.ts';
import type { SimulatedFault, SimulatedLatency } from '../../drivers/hypervisor/simulated/driver.ts';

export type Simulation = {
  latency: SimulatedLatency;
  /** By `NAMESPACE/NAME` of the guest, or `*` for all others. */
  faults: Record<string, SimulatedFault>;
};

const LATENCY = {
  startMs: 'number',
  shutdownMs: 'number',
  killMs: 'number',
  disksMs: 'number',
  memoryMs: 'number',
  switchMs: 'number',
} as const;
const PHASES = ['Disks', 'Memory', 'SwitchingOver'] as const;
const FAULT = {
  failStarts: 'number',
  ignoreShutdown: 'boolean',
  failFreeze: 'boolean',
  crashAfterMs: 'number',
  failTransferIn: PHASES,
  hangTransferIn: PHASES,
} as const;

type Field = 'number' | 'boolean' | readonly string[];

/**
 * Reads `{latency: {startMs, ...}, faults: {NAMESPACE/NAME: {failStarts, ...}}}` with the fields of LATENCY and FAULT; all optional. Throws
 * ReasonedError SimulationInvalid with the path of what is wrong.
 */
export function parseSimulation(text: string, source: string): Simulation {
  // An empty document is no error here, though it is one for the parser.
  const root = text.trim() === '' ? {} : mapping(load(text, { schema: CORE_SCHEMA }), '', source);
  for (const name of Object.keys(root)) {
    if (name !== 'latency' && name !== 'faults')
      throw invalid(source, name, 'is unknown: there are latency and faults');
  }
  const faults = Object.entries(mapping(root.faults ?? {}, 'faults', source));
  return {
    latency: checked(root.latency ?? {}, LATENCY, 'latency', source),
    faults: Object.fromEntries(
      faults.map(([name, fault]) => [name, checked(fault, FAULT, `faults.${name}`, source)]),
    ),
  };
}

function checked(value: unknown, fields: Readonly<Record<string, Field>>, path: string, source: string) {
  const object = mapping(value, path, source);
  for (const [name, given] of Object.entries(object)) {
    const wanted = fields[name];
    if (wanted === undefined) {
      throw invalid(source, `${path}.${name}`, `is unknown: there are ${Object.keys(fields).join(', ')}`);
    }
    const problem = problemOf(given, wanted);
    if (problem !== undefined) throw invalid(source, `${path}.${name}`, problem);
  }
  return object;
}

function problemOf(given: unknown, wanted: Field): string | undefined {
  if (wanted === 'number')
    return typeof given === 'number' && given >= 0 ? undefined : 'must be a number from 0';
  if (wanted === 'boolean') return typeof given === 'boolean' ? undefined : 'must be true or false';
  return wanted.some((value) => value === given) ? undefined : `must be one of ${wanted.join(', ')}`;
}

function mapping(value: unknown, path: string, source: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw invalid(source, path, 'must be a mapping');
}

function invalid(source: string, path: string, problem: string): ReasonedError {
  return new ReasonedError('SimulationInvalid', `${source}: ${path === '' ? 'the file' : path} ${problem}`, {
    stalled: true,
  });
}
