/** An embedded API server with Vireo's kinds, roles and policies, two hosts with guests, and clients that are who they say. */
import { Secret } from '../../../../src/api/core.ts';
import { Migration } from '../../../../src/api/kinds/migration.ts';
import { Operation } from '../../../../src/api/kinds/operation.ts';
import { VirtualMachine } from '../../../../src/api/kinds/virtualMachine.ts';
import { createClient } from '../../../../src/client/client.ts';
import { ApiError, type Client } from '../../../../src/client/contract.ts';
import { loadKubeconfig } from '../../../../src/client/kubeconfig.ts';
import { addClusterControllers } from '../../../../src/cluster/cluster.ts';
import { ensureSystemNamespace, raiseIncarnation } from '../../../../src/cluster/incarnation/incarnation.ts';
import { establishHost } from '../../../../src/cluster/joining/identity.ts';
import { createSimulatedFence, NO_POWER } from '../../../../src/drivers/fence/simulated/driver.ts';
import { applyAll, installPolicies, installRoles } from '../../../../src/main/access.ts';
import { installDefinitions } from '../../../../src/main/crds.ts';
import { fenceProbe } from '../../../../src/main/fencing.ts';
import { rbacManifests } from '../../../../src/main/rbac.ts';
import { realWorld } from '../../../../src/main/world/world.ts';
import { createManager } from '../../../../src/runtime/engine.ts';
import { startEmbedded } from '../../../contract/apiserver/embedded.ts';

export type AccessLab = Awaited<ReturnType<typeof createAccessLab>>;

const AT = '2026-01-01T00:00:00Z';

export async function createAccessLab() {
  const world = realWorld({ logLevel: 'error' });
  const server = await startEmbedded();
  const kubeconfig = await loadKubeconfig({ path: server.kubeconfig, files: world.files });
  const admin = createClient({ kubeconfig, fieldManager: 'admin', world });
  const clients: Client[] = [admin];
  /** The API as whoever has this token sees it. */
  const by = (token: string): Client => {
    const credentials = async () => ({ authorization: `Bearer ${token}` });
    const client = createClient({ kubeconfig: { ...kubeconfig, credentials }, fieldManager: 'agent', world });
    clients.push(client);
    return client;
  };
  await ensureSystemNamespace(admin);
  await installDefinitions(admin, world.clock, new AbortController().signal);
  await installRoles(admin);
  await installPolicies(admin);
  const establish = (host: string, joinedBy?: string) =>
    establishHost({ client: admin, clock: world.clock }, host, joinedBy);
  const one = by((await establish('h1')).token);
  const two = by((await establish('h2')).token);

  const ended = new AbortController();
  /** The manager with no more rights than its manifests give it. */
  const lead = async () => {
    await applyAll(admin, rbacManifests().manager ?? []);
    const metadata = { name: 'manager-token', namespace: 'vireo-system' };
    await admin.create(Secret, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...metadata, annotations: { 'kubernetes.io/service-account.name': 'vireo-manager' } },
      spec: undefined,
      type: 'kubernetes.io/service-account-token',
    });
    let token: string | undefined;
    while (token === undefined) {
      token = (await admin.get(Secret, metadata)).data?.token;
      await world.clock.sleep(10);
    }
    const client = by(Buffer.from(token, 'base64').toString('utf8'));
    const cluster = await raiseIncarnation(client, world.random);
    const manager = createManager({ client, world, component: 'vireo-manager' });
    const raise = async () => {};
    const fence = fenceProbe(createSimulatedFence({ world, power: NO_POWER }));
    addClusterControllers({ manager, clock: world.clock, cluster: () => cluster, raise, fence });
    manager.run(ended.signal).catch(() => undefined);
    await manager.informers.synced(ended.signal);
  };

  const guest = async (name: string, host?: string) => {
    const metadata = { name, namespace: 'default' };
    const spec = { memory: { size: '64Mi' }, disks: [] } as unknown as VirtualMachine['spec'];
    await admin.create(VirtualMachine, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'VirtualMachine',
      metadata,
      spec,
    });
    if (host === undefined) return;
    const status = { placement: { host, epoch: 3, since: AT } };
    await admin.mergePatch(VirtualMachine, metadata, { status }, { subresource: 'status' });
  };
  const job = async (kind: typeof Operation | typeof Migration, name: string, status: object) => {
    const metadata = { name, namespace: 'default' };
    const guestRef = { kind: 'VirtualMachine', name: 'mine' } as const;
    const base = { apiVersion: 'vireo.dev/v1alpha1', metadata };
    if (kind === Operation)
      await admin.create(Operation, {
        ...base,
        kind: 'Operation',
        spec: { guest: guestRef, action: 'Start' },
      } as Operation);
    else
      await admin.create(Migration, { ...base, kind: 'Migration', spec: { guest: guestRef } } as Migration);
    await admin.mergePatch(kind as typeof Operation, metadata, { status }, { subresource: 'status' });
  };
  return {
    admin,
    one,
    two,
    by,
    establish,
    guest,
    job,
    world,
    kubeconfig,
    lead,
    stop: async () => {
      ended.abort(new Error('the story is over'));
      await Promise.all(clients.map((client) => client.close()));
      await server.stop();
    },
  };
}

/** 'done', or the code and reason of the refusal. */
export async function tried(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.reason}`;
    throw error;
  }
}
