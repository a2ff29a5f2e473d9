/** The embedded server with a store in memory, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallWebhook } from '../../../src/apiserver/admission/webhook.ts';
import type { AuditLog } from '../../../src/apiserver/audit/log.ts';
import { loadCredentials } from '../../../src/apiserver/pki/credentials.ts';
import { createApiServer } from '../../../src/apiserver/server.ts';
import { silentLog } from '../../../src/base/log.ts';
import type { World } from '../../../src/base/world.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import type { Store } from '../../../src/store/contract.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { Target } from './client.ts';

export type Embedded = { target: Target; kubeconfig: string; store: Store; stop(): Promise<void> };

/** Starts a server on a free port of 127.0.0.1. */
export async function startEmbedded(
  options: {
    callWebhook?: CallWebhook;
    clock?: World['clock'];
    store?: Store;
    audit?: Pick<AuditLog, 'record'>;
  } = {},
): Promise<Embedded> {
  const directory = await mkdtemp(join(tmpdir(), 'apiserver-'));
  const real = realWorld();
  const world = { ...real, log: silentLog, clock: options.clock ?? real.clock };
  const store = options.store ?? createMemoryStore();
  const credentials = await loadCredentials({
    directory: join(directory, 'pki'),
    world: real,
    hosts: ['127.0.0.1'],
  });
  const server = await createApiServer({
    store,
    world,
    credentials,
    listen: { host: '127.0.0.1', port: 0 },
    version: 'test',
    ...(options.audit === undefined ? {} : { audit: options.audit }),
    ...(options.callWebhook === undefined ? {} : { callWebhook: options.callWebhook }),
  });
  const kubeconfig = join(directory, 'kubeconfig');
  await credentials.writeKubeconfig(kubeconfig, server.url);
  return {
    target: {
      url: server.url,
      ca: credentials.authority.certificate,
      cert: credentials.admin.certificate,
      key: credentials.admin.key,
    },
    kubeconfig,
    store,
    stop: async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
