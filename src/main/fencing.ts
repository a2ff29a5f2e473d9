/** The part of a fence driver that the manager is given. */
import { ReasonedError } from '../base/outcome.ts';
import type { FenceProbe, FenceSwitch } from '../cluster/fencing/probe.ts';
import type { FenceDriver } from '../drivers/fence/contract.ts';
import { givesEvidence } from '../drivers/fence/parameters.ts';

/** `reach` throws ReasonedError FenceAgentUnfit for agents that succeed without having cut anything. */
export function fenceProbe(driver: FenceDriver): FenceProbe & FenceSwitch {
  return {
    reach: async (agent) => {
      if (givesEvidence(agent)) return (await driver.describe(agent)).reach;
      const message = `${agent} succeeds without having cut anything: choose the agent of a real device`;
      throw new ReasonedError('FenceAgentUnfit', message, { stalled: true });
    },
    state: driver.status,
    off: driver.off,
    on: driver.on,
  };
}
