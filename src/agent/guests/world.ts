/** What the controllers of guests share on one host. */
import type { Backup } from '../../api/kinds/backup.ts';
import type { Image } from '../../api/kinds/image.ts';
import type { StoragePool } from '../../api/kinds/storagePool.ts';
import type { Stored } from '../../api/meta.ts';
import type { World } from '../../base/world.ts';
import type { Client, Informer } from '../../client/contract.ts';
import type { HypervisorFacts } from '../../drivers/hypervisor/contract.ts';
import type { NetworkDriver } from '../../drivers/network/contract.ts';
import type { Announcement } from '../announcement.ts';
import type { ControlPlane } from '../cluster/controlPlane.ts';
import type { Elsewhere } from '../cluster/elsewhere.ts';
import type { AgentConfig } from '../config.ts';
import type { Guarding } from '../guarding.ts';
import type { Ending } from '../host/ending.ts';
import type { Presence } from '../host/presence.ts';
import type { IdRanges } from '../idRanges.ts';
import type { ImageTable } from '../images/table.ts';
import type { Jobs } from '../jobs/beside.ts';
import type { Peers } from '../peers/peers.ts';
import type { PoolTable } from '../pools/table.ts';
import type { GuestPrograms } from '../programs.ts';
import type { Records } from '../records.ts';
import type { Turns } from '../turns.ts';

export type GuestWorld = {
  host: string;
  stateDirectory: string;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  client: Client;
  config: AgentConfig;
  records: Records;
  controlPlane: ControlPlane;
  elsewhere: Elsewhere;
  lease: { isValid(): boolean };
  ending: Pick<Ending, 'closed' | 'isHoldingOff'>;
  guarding: Guarding;
  inventory: {
    /** Whether the Host's acknowledged inventory has this guest. */
    lists(uuid: string): boolean;
    /** Resolves when an inventory that was taken after this call is acknowledged. */
    publish(signal: AbortSignal): Promise<void>;
  };
  presence: Presence;
  pools: PoolTable;
  images: ImageTable;
  poolInformer: Informer<StoragePool>;
  imageInformer: Informer<Image>;
  /** A Backup that this host makes or made, by `namespace/name`. */
  backup(key: string): Stored<Backup> | undefined;
  /** Names of the archives that Backups of this host stand for. */
  archives(): ReadonlySet<string>;
  /** How archives of other hosts are had. */
  peers: Peers;
  network: NetworkDriver;
  idRanges: IdRanges;
  /** Lets containers use this agent's block of ids. */
  grantIds(): Promise<void>;
  jobs: Jobs;
  /** Who looks after a guest and who moves it take turns. */
  turns: Turns;
  /** What is done for a guest outside of its turn: programs of pools count as its own. */
  workFor: GuestPrograms['workFor'];
  /** What the driver of a kind last said of the host. */
  hypervisorFacts(kind: string): HypervisorFacts;
  /** Resolves after the first look around; at once from then on. */
  looked: Promise<void>;
  /** Has an object of a controller looked at again. */
  enqueue(controller: string, key: string): void;
  /** Id of each guest whose volumes are not what they were when they were last looked at. */
  volumesChanged: Announcement<string>;
  /** `<kind>/<namespace>/<name>` of each guest whose pass has ended. */
  settled: Announcement<string>;
};
