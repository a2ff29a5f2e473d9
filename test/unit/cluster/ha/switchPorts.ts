/** A managed switch beside other fence devices: it takes the ports of hosts down and up, and says how they are. */
import type { FenceDriver } from '../../../../src/drivers/fence/contract.ts';
import { SIMULATED_AGENT } from '../../../../src/drivers/fence/simulated/driver.ts';

export const PORT_AGENT = 'fence_port';

export type Ports = { isUp(port: string): boolean; set(port: string, isUp: boolean): void };

export function withSwitch(driver: FenceDriver, ports: Ports): FenceDriver {
  return {
    ...driver,
    describe: async (agent) =>
      agent === PORT_AGENT
        ? { ...(await driver.describe(SIMULATED_AGENT)), name: agent, reach: 'Fabric' }
        : driver.describe(agent),
    off: async (target, how) =>
      target.agent === PORT_AGENT ? ports.set(target.plug ?? '', false) : driver.off(target, how),
    on: async (target, how) =>
      target.agent === PORT_AGENT ? ports.set(target.plug ?? '', true) : driver.on(target, how),
    status: async (target, how) => {
      if (target.agent !== PORT_AGENT) return driver.status(target, how);
      return ports.isUp(target.plug ?? '') ? 'On' : 'Off';
    },
  };
}
