/** Connections to an API server: by the kubeconfig that was named, else by the pod's own service account. */
import process from 'node:process';
import { ReasonedError } from '../base/outcome.ts';
import type { World } from '../base/world.ts';
import { createClient } from '../client/client.ts';
import type { Client } from '../client/contract.ts';
import { inClusterKubeconfig, type Kubeconfig, loadKubeconfig } from '../client/kubeconfig.ts';

/** Throws ReasonedError InvalidKubeconfig, or NoKubeconfig when there is nothing to go by. */
export async function findKubeconfig(path: string | undefined, world: World): Promise<Kubeconfig> {
  if (path !== undefined) return loadKubeconfig({ path, files: world.files });
  const inCluster = await inClusterKubeconfig({ files: world.files, environment: process.env });
  if (inCluster !== undefined) return inCluster;
  throw new ReasonedError('NoKubeconfig', 'name the API server with --kubeconfig FILE or KUBECONFIG', {
    stalled: true,
  });
}

/** A client of its own connection under one field manager. */
export async function connect(path: string | undefined, fieldManager: string, world: World): Promise<Client> {
  return createClient({ kubeconfig: await findKubeconfig(path, world), fieldManager, world });
}
