/** What machines and containers have of their own when they are simulated: the rest of the driver does not tell them apart. */
import { type ChangeRules, containerChangeRules, machineChangeRules } from '../changes.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  HypervisorFacts,
  MachineHardware,
  MachineRequest,
} from '../contract.ts';

/** One sort of simulated guest. */
export type SimulatedKind<Request, Hardware> = {
  name: string;
  facts: HypervisorFacts;
  /** Pure; see HypervisorDriver.resolve. */
  resolve(request: Request, pinned: Hardware | undefined): Hardware;
  rules: ChangeRules;
  /** Whether a running guest's agent would answer. */
  agentConnected(request: Request): boolean | undefined;
};

/** Simulated virtual machines. */
export const simulatedMachines: SimulatedKind<MachineRequest, MachineHardware> = {
  name: 'simulated-machines',
  facts: {
    available: true,
    version: 'simulated',
    accelerator: 'tcg',
    acceleratorReason: 'Simulated: no processor runs these guests',
  },
  resolve: (request, pinned) => ({
    machineType: pinned?.machineType ?? `pc-${request.machine}-simulated`,
    cpuModel: pinned?.cpuModel ?? request.cpu.model ?? 'simulated',
    addresses: { ...addresses(request), ...pinned?.addresses },
  }),
  rules: machineChangeRules,
  agentConnected: (request) => request.guestAgent,
};

/** Simulated system containers. */
export const simulatedContainers: SimulatedKind<ContainerRequest, ContainerHardware> = {
  name: 'simulated-containers',
  facts: { available: true, version: 'simulated' },
  resolve: (request, pinned) => pinned ?? { idBase: request.idBase },
  rules: containerChangeRules,
  agentConnected: () => undefined,
};

function addresses(request: MachineRequest): Record<string, string> {
  const devices = [
    ...request.disks.map((disk) => `disk-${disk.name}`),
    ...request.networks.map((nic) => `nic-${nic.name}`),
  ];
  return Object.fromEntries(devices.map((id, index) => [id, `rp${index}`]));
}
