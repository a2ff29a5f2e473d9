/**
 * Fencing through any program of the FenceAgentAPI: parameters as `name=value` lines on standard input, so that no secret stands in an argv;
 * the answer is the exit code. Agents are programs of the host, found where Debian, Ubuntu and Fedora put them.
 */
import { text } from 'node:stream/consumers';
import type { World } from '../../../base/world.ts';
import type { FenceAction, FenceAgentFacts, FenceDriver, FenceOptions, FenceTarget } from '../contract.ts';
import { parameterProblems } from '../parameters.ts';
import { agentMissing, fenceTimeout, parametersInvalid } from '../refusals.ts';
import { failureOf, parseList, succeeded } from './answers.ts';
import { inputOf } from './input.ts';
import { parseMetadata } from './metadata.ts';

/** Where agents are installed: fence-agents on Debian, Ubuntu and Fedora. */
const FOLDER = '/usr/sbin';
const NAME = /^fence_[a-z0-9_]{1,60}$/;
const DESCRIBE_TIMEOUT_MS = 10_000;

export type FenceAgentsOptions = { world: World; folder?: string };

/** The driver for real devices. */
export function createFenceAgents({ world, folder = FOLDER }: FenceAgentsOptions): FenceDriver {
  const known = new Map<string, Promise<FenceAgentFacts>>();

  async function pathOf(agent: string): Promise<string> {
    // The name comes from the API: it never becomes a path unchecked.
    const path = NAME.test(agent) ? await world.processes.which(`${folder}/${agent}`) : undefined;
    if (path === undefined) throw agentMissing(agent);
    return path;
  }

  async function readFacts(agent: string): Promise<FenceAgentFacts> {
    const path = await pathOf(agent);
    const { stdout } = await world.processes.run([path, '-o', 'metadata'], {
      timeoutMs: DESCRIBE_TIMEOUT_MS,
    });
    return parseMetadata(agent, stdout);
  }

  function describe(agent: string): Promise<FenceAgentFacts> {
    const found = known.get(agent) ?? readFacts(agent);
    known.set(agent, found);
    // What failed is asked again: the package may be installed meanwhile.
    found.catch(() => known.delete(agent));
    return found;
  }

  /** Runs one action to its end; the exit code is one of success. */
  async function perform(
    target: FenceTarget,
    action: FenceAction,
    options: FenceOptions,
  ): Promise<{ code: number; stdout: string }> {
    const { agent } = target;
    const facts = await describe(agent);
    const problems = parameterProblems(facts, target);
    if (!facts.actions.includes(action)) problems.push(`it knows no action ${action}`);
    if (problems.length > 0) throw parametersInvalid(agent, problems);
    const path = await pathOf(agent);
    const late = new AbortController();
    const cancel = world.clock.after(options.timeoutMs, () => late.abort());
    try {
      const signal = AbortSignal.any([options.signal, late.signal]);
      const process = world.processes.pipe([path], { signal });
      process.input.end(inputOf(facts, target, action, options.timeoutMs));
      const [stdout, { code, stderr }] = await Promise.all([
        // Cut off when it is killed: its end tells the story.
        text(process.output).catch(() => ''),
        process.ended,
      ]);
      options.signal.throwIfAborted();
      if (late.signal.aborted) throw fenceTimeout(agent, action, options.timeoutMs);
      if (!succeeded(action, code)) throw failureOf(target, action, `${stdout}\n${stderr}`);
      return { code, stdout };
    } finally {
      cancel();
    }
  }

  return {
    agents: async () => (await world.files.list(folder)).filter((name) => NAME.test(name)).sort(),
    describe,
    off: async (target, options) => void (await perform(target, 'off', options)),
    on: async (target, options) => void (await perform(target, 'on', options)),
    status: async (target, options) => ((await perform(target, 'status', options)).code === 2 ? 'Off' : 'On'),
    monitor: async (target, options) => void (await perform(target, 'monitor', options)),
    list: async (target, options) => parseList((await perform(target, 'list', options)).stdout),
  };
}
