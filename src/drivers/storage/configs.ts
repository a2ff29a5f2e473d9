/** Part of the contract of storage pools: what each type of pool is opened with. */
import type { SumGrowing } from '../../base/sums.ts';

/** The key of age for archives: what is told, each time it is needed and kept on no disk; else what the file holds, an absolute path. */
export type AgeKey = { told?(): Promise<string | undefined>; file?: string };

/** A pool of type Directory: `path` is absolute and already checked against the host's allow-list. */
export type DirectoryPoolConfig = {
  type: 'Directory';
  name: string;
  path: string;
  /** This host's name, where other hosts use the same directory at the same time. */
  sharedBy?: string;
} & ArchivingConfig;
/** How a pool writes archives; without `sumGrowing` their sums are taken when all is written. */
type ArchivingConfig = { ageKey?: AgeKey; sumGrowing?: SumGrowing };
/** A pool of type Btrfs: `path` is absolute, already checked against the host's allow-list, and lies on a Btrfs file system. */
export type BtrfsPoolConfig = { type: 'Btrfs'; name: string; path: string } & ArchivingConfig;
/** A simulated pool. `sharedBy`: this host's name, where others have the same path open: of each other they see only who was revoked. */
export type SimulatedPoolConfig = {
  type: 'Simulated';
  name: string;
  path: string;
  totalBytes: number;
  sharedBy?: string;
};
