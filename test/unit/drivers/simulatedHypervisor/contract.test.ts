/** The simulated drivers keep the contract of the real ones. */
import {
  type SimulatedKind,
  simulatedContainers,
  simulatedMachines,
} from '../../../../src/drivers/hypervisor/simulated/kinds.ts';
import { describeHypervisor, type HypervisorLab } from '../../../contract/hypervisor/suite.ts';
import { containerRequest, machineRequest, simulatedGuest, simulatedHost } from './lab.ts';

async function lab<Request, Hardware>(
  kind: SimulatedKind<Request, Hardware>,
  request: Request,
  changed: { request: Request; path: string },
): Promise<HypervisorLab<Request, Hardware>> {
  const host = simulatedHost(kind);
  let last = host.driver();
  return {
    driver: () => {
      last = host.driver();
      return last;
    },
    guest: simulatedGuest,
    request,
    changed,
    crash: (guest) => last.end(guest.id, 'Crashed'),
    powerOff: (guest) => last.end(guest.id, 'PoweredOff'),
    followsShutdown: true,
    countProcesses: async () => (await last.discover()).length,
    close: async () => {},
  };
}

describeHypervisor('simulated machines', () =>
  lab(simulatedMachines, machineRequest, {
    request: { ...machineRequest, memoryBytes: 1024 ** 3 },
    path: 'memory.size',
  }),
);

describeHypervisor('simulated containers', () =>
  lab(simulatedContainers, containerRequest, {
    request: { ...containerRequest, hostname: 'www' },
    path: 'hostname',
  }),
);
