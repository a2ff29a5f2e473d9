/** A storage pool on a Btrfs file system of this host: a pool of directories whose volumes are subvolumes. */
import type { BtrfsPoolConfig, StoragePool } from '../../contract.ts';
import { openPool, type PoolOptions } from '../pool.ts';
import { btrfsGround } from './ground.ts';

/** Opens the pool as `openDirectoryPool` does; throws ReasonedError NotBtrfs besides, when `path` lies on another file system. */
export function openBtrfsPool({ config, ...options }: PoolOptions<BtrfsPoolConfig>): Promise<StoragePool> {
  return openPool(options, config, btrfsGround);
}
