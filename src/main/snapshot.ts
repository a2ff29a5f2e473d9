/** Reads once what placement looks at, for commands that ask its code. */
import { ClusterPolicy } from '../api/kinds/clusterPolicy.ts';
import { Container } from '../api/kinds/container.ts';
import { HAGroup } from '../api/kinds/haGroup.ts';
import { Host } from '../api/kinds/host.ts';
import { Image } from '../api/kinds/image.ts';
import { Migration } from '../api/kinds/migration.ts';
import { StoragePool } from '../api/kinds/storagePool.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { Client } from '../client/contract.ts';
import type { Snapshot } from '../cluster/placement/explain.ts';

/** Rejects with ApiError. */
export async function readSnapshot(client: Client): Promise<Snapshot> {
  const [machines, containers, hosts, groups, pools, images, migrations, policies] = await Promise.all([
    client.list(VirtualMachine),
    client.list(Container),
    client.list(Host),
    client.list(HAGroup),
    client.list(StoragePool),
    client.list(Image),
    client.list(Migration),
    client.list(ClusterPolicy),
  ]);
  return {
    guests: [...machines.items, ...containers.items],
    hosts: hosts.items,
    groups: groups.items,
    pools: pools.items,
    images: images.items,
    migrations: migrations.items,
    policies: policies.items,
  };
}
