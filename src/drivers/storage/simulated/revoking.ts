/**
 * Revocations of a simulated pool: a file each, so that several hosts that have the pool open see what the others have done at once, and a crash
 * leaves each done or not.
 */
import type { Files } from '../../../base/files.ts';
import { checkedName } from '../names.ts';
import { storageRevoked } from '../refusals.ts';
import type { HostBoot, Revocations } from '../revocations.ts';

export type SimulatedRevocations = {
  revocations: Revocations;
  /** Throws ReasonedError StorageRevoked. */
  checkMayWrite(): Promise<void>;
};

export type SimulatedRevocationsOptions = {
  files: Files;
  /** Directory of the pool. */
  path: string;
  pool: string;
  /** This host. */
  host: string;
};

export function createSimulatedRevocations({
  files,
  path,
  pool,
  host,
}: SimulatedRevocationsOptions): SimulatedRevocations {
  const directory = `${path}/revoked`;
  const fileOf = (boot: HostBoot) => `${directory}/${checkedName(boot.host)}@${checkedName(boot.bootID)}`;
  const list = async (): Promise<HostBoot[]> =>
    (await files.list(directory)).flatMap((name) => {
      const [of, bootID] = name.split('@');
      // What is being written has a name with a dot before it.
      const isWhole = !name.startsWith('.') && of !== undefined && bootID !== undefined;
      return isWhole ? [{ host: of, bootID }] : [];
    });
  return {
    revocations: {
      revoke: async (boot) => {
        await files.makeDirectory(directory);
        await files.writeAtomic(fileOf(boot), '');
      },
      restore: (boot) => files.remove(fileOf(boot)),
      list,
    },
    checkMayWrite: async () => {
      if ((await list()).some((boot) => boot.host === host)) throw storageRevoked(pool, host);
    },
  };
}
