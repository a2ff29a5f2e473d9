/** A fence device for simulated hosts: it switches their power, takes its time, and fails or lies when it is told to. */
import type { World } from '../../../base/world.ts';
import type {
  FenceAction,
  FenceAgentFacts,
  FenceDriver,
  FenceOptions,
  FenceTarget,
  PowerState,
} from '../contract.ts';
import { parameterProblems } from '../parameters.ts';
import {
  agentMissing,
  deviceRefused,
  deviceUnreachable,
  fenceTimeout,
  parametersInvalid,
} from '../refusals.ts';

/** The agent's name in a FenceDevice. */
export const SIMULATED_AGENT = 'fence_simulated';

/** The power of simulated hosts, by plug. */
export type SimulatedPower = {
  plugs(): readonly string[];
  isOn(plug: string): boolean;
  switch(plug: string, state: PowerState): void;
};

/** For whoever needs a driver and has no simulated hosts. */
export const NO_POWER: SimulatedPower = { plugs: () => [], isOn: () => false, switch: () => {} };

export type SimulatedFenceFaults = {
  /** Nobody answers. */
  unreachable?: boolean;
  /** Time each action takes, instead of `latencyMs`. */
  takesMs?: number;
  /** `off` switches nothing and says that all went well; `status` says Off. */
  lies?: boolean;
};

export type SimulatedFenceOptions = {
  world: Pick<World, 'clock'>;
  power: SimulatedPower;
  /** Time each action takes; default 100 ms. */
  latencyMs?: number;
  faults?: () => SimulatedFenceFaults;
};

const FACTS: FenceAgentFacts = {
  name: SIMULATED_AGENT,
  description: 'Fence agent for simulated hosts',
  reach: 'Power',
  actions: ['on', 'off', 'reboot', 'status', 'list', 'monitor', 'metadata'],
  parameters: [
    {
      name: 'password',
      description: 'Any but "wrong"',
      type: 'string',
      required: false,
      options: [],
      deprecated: false,
    },
    {
      name: 'power_wait',
      description: 'Seconds to wait after an action',
      type: 'second',
      required: false,
      options: [],
      deprecated: false,
    },
  ],
};

/** The simulated driver. */
export function createSimulatedFence(options: SimulatedFenceOptions): FenceDriver {
  const { world, power, latencyMs = 100 } = options;
  const faults = options.faults ?? ((): SimulatedFenceFaults => ({}));
  const claimedOff = new Set<string>();

  async function answer(
    target: FenceTarget,
    action: FenceAction,
    { signal, timeoutMs }: FenceOptions,
  ): Promise<string> {
    if (target.agent !== SIMULATED_AGENT) throw agentMissing(target.agent);
    const problems = parameterProblems(FACTS, target);
    if (problems.length > 0) throw parametersInvalid(target.agent, problems);
    const { takesMs = latencyMs, unreachable } = faults();
    await world.clock.sleep(Math.min(takesMs, timeoutMs), signal);
    if (takesMs > timeoutMs) throw fenceTimeout(target.agent, action, timeoutMs);
    if (unreachable === true) throw deviceUnreachable(target.agent, action, 'no answer');
    if (target.secrets.password === 'wrong') throw deviceRefused(target.agent, action, 'login failed');
    const { plug = '' } = target;
    if (action !== 'list' && action !== 'monitor' && !power.plugs().includes(plug))
      throw deviceRefused(target.agent, action, `unknown plug ${plug}`);
    return plug;
  }

  return {
    agents: async () => [SIMULATED_AGENT],
    describe: async (agent) => {
      if (agent !== SIMULATED_AGENT) throw agentMissing(agent);
      return FACTS;
    },
    off: async (target, how) => {
      const plug = await answer(target, 'off', how);
      if (faults().lies === true) claimedOff.add(plug);
      else power.switch(plug, 'Off');
    },
    on: async (target, how) => {
      const plug = await answer(target, 'on', how);
      claimedOff.delete(plug);
      power.switch(plug, 'On');
    },
    status: async (target, how) => {
      const plug = await answer(target, 'status', how);
      return power.isOn(plug) && !claimedOff.has(plug) ? 'On' : 'Off';
    },
    monitor: async (target, how) => void (await answer(target, 'monitor', how)),
    list: async (target, how) => {
      await answer(target, 'list', how);
      return power.plugs().map((plug) => ({ plug, name: plug }));
    },
  };
}
