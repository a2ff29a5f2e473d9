/** Which parameters a device may be given: those its agent knows, of the right type, and none that would let the API run or write things on a host. */
import type { FenceAgentFacts, FenceParameter, FenceTarget } from './contract.ts';

/** Given by the driver itself. */
const OURS = new Set([
  'action',
  'option',
  'plug',
  'port',
  'nodename',
  'help',
  'version',
  'verbose',
  'verbose_level',
  'quiet',
]);

/** They name programs, files or options of programs on the host that runs the agent, or keep the agent from ending. */
const HOSTS_OWN = /(_path|_script|_file|_options|^debug|^sudo|^use_sudo|^disable_timeout)$/;

/** They succeed without having cut anything: nothing may be concluded from them. */
const NO_EVIDENCE = new Set([
  'fence_ack_manual',
  'fence_compute',
  'fence_dummy',
  'fence_evacuate',
  'fence_heuristics_ping',
  'fence_kdump',
]);

const BOOLEANS = new Set(['1', '0', 'true', 'false', 'yes', 'no', 'on', 'off']);

/** Whether an agent of this name can ever stand behind a proof. */
export function givesEvidence(agent: string): boolean {
  return !NO_EVIDENCE.has(agent);
}

function problemOfValue(parameter: FenceParameter, value: string): string | undefined {
  const { name, type, options } = parameter;
  if (/[\n\r\0]/.test(value)) return `${name} holds a line break`;
  if (type === 'integer' && !/^-?\d+$/.test(value)) return `${name} must be a whole number`;
  if (type === 'second' && !/^\d+(\.\d+)?$/.test(value)) return `${name} must be a number of seconds`;
  if (type === 'boolean' && !BOOLEANS.has(value.toLowerCase())) return `${name} must be 1 or 0`;
  if (type === 'select' && !options.includes(value)) return `${name} must be one of ${options.join(', ')}`;
  return undefined;
}

function problemOfName(facts: FenceAgentFacts, name: string): string | undefined {
  if (OURS.has(name)) return `${name} is given by Vireo and cannot be set`;
  if (HOSTS_OWN.test(name)) return `${name} would reach into the host that runs the agent and is not allowed`;
  if (facts.parameters.some((parameter) => parameter.name === name)) return undefined;
  return `${name} is no parameter of this agent`;
}

function problemOf(facts: FenceAgentFacts, name: string, value: string): string | undefined {
  const unusable = problemOfName(facts, name);
  if (unusable !== undefined) return unusable;
  // The machine may be seen off and be on a moment later, and what ran is gone without anybody having looked.
  if (name === 'method' && value === 'cycle')
    return 'method cycle gives no moment in which the machine is surely off: use onoff';
  const parameter = facts.parameters.find((known) => known.name === name);
  return parameter && problemOfValue(parameter, value);
}

function missing(facts: FenceAgentFacts, given: ReadonlySet<string>): string[] {
  return facts.parameters
    .filter(({ name, required, deprecated }) => required && !deprecated && !OURS.has(name))
    .filter(({ name, obsoletes, default: fallback }) => {
      return fallback === undefined && !given.has(name) && (obsoletes === undefined || !given.has(obsoletes));
    })
    .map(({ name }) => `${name} is required`);
}

/** Everything that is wrong with what a device is given; empty when it can be used. Values of secrets are never named. */
export function parameterProblems(facts: FenceAgentFacts, target: FenceTarget): string[] {
  const { parameters, secrets, plug } = target;
  const twice = Object.keys(secrets).filter((name) => name in parameters);
  const all = { ...parameters, ...secrets };
  return [
    ...twice.map((name) => `${name} is given both openly and as a secret`),
    ...Object.entries(all).flatMap(([name, value]) => problemOf(facts, name, value) ?? []),
    ...missing(facts, new Set(Object.keys(all))),
    ...(plug !== undefined && /[\n\r\0]/.test(plug) ? ['plug holds a line break'] : []),
  ];
}
