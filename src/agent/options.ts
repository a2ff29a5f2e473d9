/** What `main` gives the agent: its place, its connections, and drivers by their contracts, real or simulated. */
import type { World } from '../base/world.ts';
import type { Client } from '../client/contract.ts';
import type { CgroupUsage } from '../drivers/cgroup/contract.ts';
import type {
  ContainerHardware,
  ContainerRequest,
  HypervisorDriver,
} from '../drivers/hypervisor/contract.ts';
import type { ImageBuilder } from '../drivers/image/contract.ts';
import type { NetworkDriver } from '../drivers/network/contract.ts';
import type { StoragePool } from '../drivers/storage/contract.ts';
import type { Manager } from '../runtime/contract.ts';
import type { AgentConfig } from './config.ts';
import type { KeeperLink } from './guarding.ts';
import type { MachineDriver } from './guests/machine.ts';
import type { HostFacts } from './host/facts.ts';
import type { PeerIdentity } from './peers/identity.ts';
import type { Peers } from './peers/peers.ts';
import type { PoolPlace } from './pools/controller.ts';
import type { ProgramGroups } from './programs.ts';

export type AgentDrivers = {
  machines: MachineDriver;
  containers: HypervisorDriver<ContainerRequest, ContainerHardware>;
  network: NetworkDriver;
  /** What the guest with this id has used; absent: nobody counts. */
  usage?(id: string): Promise<CgroupUsage | undefined>;
  /** Opens a pool; `path` is checked against the allow-list. `sharedBy`: this host's name, when all hosts have one directory there. */
  openPool(pool: PoolPlace): Promise<StoragePool>;
  images: ImageBuilder;
  /** Resolves when all that this host has written to shared pools is on their storage, however long that takes; absent: nothing is held back. */
  writeOutShared?(): Promise<void>;
  /** Where the programs of pools run that work on a guest's volumes; absent: where the agent runs. */
  programs?: ProgramGroups;
  /** Lets LXC map these host ids (subuid(5)), and takes that back; absent: nothing is needed. */
  ensureIdRange?(base: number, count: number): Promise<void>;
  removeIdRange?(base: number, count: number): Promise<void>;
};

export type AgentOptions = {
  /** Name of the Host object. */
  host: string;
  /** Absolute; everything this agent remembers is below it. */
  stateDirectory: string;
  client: Client;
  /** A connection of its own for the Lease. */
  leaseClient: Client;
  manager: Manager;
  world: World;
  config: AgentConfig;
  version: string;
  drivers: AgentDrivers;
  /** How other agents are reached; absent: no guest moves to or from this host. */
  peers?: Peers;
  /** Who this host is to other hosts; absent on hosts that exist only on paper. */
  identity?: PeerIdentity;
  /** What kills guests with `ha` when nobody hears the host; absent on hosts that exist only on paper. */
  keeper?: KeeperLink;
  /** It votes and runs no guests. */
  witness?: boolean;
  /** What the machine is; read once. */
  hostFacts(): Promise<HostFacts>;
};
