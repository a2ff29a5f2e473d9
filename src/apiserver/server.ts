/**
 * The embedded Kubernetes API server: wires store, catalogue, watches, verbs and the server's own controllers behind one TLS
 * listener. It looks like a kube-apiserver to its clients and knows no kinds but the built-in ones and those defined in it.
 */

import process from 'node:process';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import type { World } from '../base/world.ts';
import type { Store } from '../store/contract.ts';
import { type AccessOptions, createAccess } from './access/access.ts';
import { createAdmission } from './admission/admission.ts';
import type { CallWebhook } from './admission/webhook.ts';
import type { AuditLog } from './audit/log.ts';
import { createCatalog } from './catalog/catalog.ts';
import type { Served } from './catalog/served.ts';
import { createConvert } from './conversion/convert.ts';
import { createPathHandler, type ServerVersion } from './discovery/paths.ts';
import type { EncryptionKeys } from './encryption/envelope.ts';
import { encryptedStore, encryptStored } from './encryption/store.ts';
import { createPace, ownLane } from './fairness/pace.ts';
import { createTurns } from './fairness/turns.ts';
import { createHandler } from './handler.ts';
import { createRequestMetrics } from './metrics.ts';
import type { Credentials } from './pki/credentials.ts';
import type { Context } from './registry/context.ts';
import { createFieldIndexes } from './registry/fieldIndex.ts';
import { createNamespaceGate } from './registry/gate.ts';
import { endDefinitions } from './upkeep/definitions.ts';
import { collectGarbage } from './upkeep/garbage.ts';
import { forgetEvents, forgetHistory, forgetRequests } from './upkeep/history.ts';
import { createInitialNamespaces, endNamespaces } from './upkeep/namespaces.ts';
import { signRequests } from './upkeep/requests.ts';
import type { Upkeep } from './upkeep/upkeep.ts';
import { createOpenWatches } from './verbs/open.ts';
import { createHub } from './watch/hub.ts';
import { listen } from './wire/listener.ts';

/** The Kubernetes version whose behaviour this server follows. */
const kubernetesVersion = { major: '1', minor: '33', patch: '0' };

/** What the server needs. */
export type ApiServerOptions = {
  /** Stays open when the server closes: it belongs to the caller. */
  store: Store;
  world: Pick<World, 'clock' | 'random' | 'log'>;
  credentials: Pick<Credentials, 'authority' | 'server'>;
  listen: { host: string; port: number };
  /** The version of the program, shown behind the Kubernetes version. */
  version: string;
  /** How users are known beside their certificates. */
  access?: AccessOptions;
  /** Stays open when the server closes. Default: nothing is logged. */
  audit?: Pick<AuditLog, 'record'>;
  /** Encrypts Secrets in the store. Default: they lie there as they are. */
  encryption?: EncryptionKeys;
  /** What /metrics shows beside its own. */
  metrics?: Metrics;
  /** How admission webhooks are called. Default: they cannot be, so their failurePolicy decides. */
  callWebhook?: CallWebhook;
};

/** A running server. */
export type ApiServer = {
  /** `https://host:port`, with a host that clients on this machine can reach. */
  url: string;
  /** Ends watches, lets answers under way finish, then stops. */
  close(): Promise<void>;
};

const noWebhooks: CallWebhook = () => Promise.reject(new Error('this server calls no webhooks'));

/** Starts the server; resolves once it answers. Rejects when the address is taken. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { world, credentials, encryption } = options;
  const store =
    encryption === undefined ? options.store : encryptedStore(options.store, encryption, world.random);
  const catalog = createCatalog(store, world.log);
  const hub = createHub(store);
  const open = createOpenWatches();
  const builtin = (group: string, plural: string) => mustFind(catalog.find(group, 'v1', plural), plural);
  const namespaces = builtin('', 'namespaces');
  const turns = createTurns();
  const indexes = createFieldIndexes(store, createPace({ ...world, turns }, ownLane));
  const context: Context = {
    ...world,
    store,
    catalog,
    hub,
    indexes,
    gate: createNamespaceGate(store, namespaces),
    turns,
    convert: createConvert(world, options.callWebhook ?? noWebhooks),
  };
  context.admission = createAdmission(context, options.callWebhook ?? noWebhooks);
  catalog.onChange((replaced) => open.endOf(replaced));
  await createInitialNamespaces(context, namespaces);
  const access = await createAccess(context, credentials.authority.certificate, options.access ?? {});

  const metrics = options.metrics ?? createMetrics();
  let closing = false;
  let address = '';
  const handler = createHandler({
    context: { ...context, guard: access.guard },
    open,
    authenticate: access.authenticate,
    authorize: access.authorize,
    questions: access.questions,
    ...(options.audit === undefined ? {} : { audit: options.audit.record }),
    count: createRequestMetrics(metrics),
    paths: createPathHandler({
      catalog,
      version: versionOf(options.version),
      checks: {
        ping: () => undefined,
        store: () => undefined,
        shutdown: () => (closing ? 'shutting down' : undefined),
      },
      address: () => address,
      issuer: access.issuer,
      metrics: metrics.render,
      pace: () => createPace(context, ownLane),
    }),
  });
  const listener = await listen({
    ...options.listen,
    keys: {
      // With the authority: a machine that joins knows the hash of its key, and has to see it.
      certificate: credentials.server.certificate + credentials.authority.certificate,
      key: credentials.server.key,
      clientCa: credentials.authority.certificate,
    },
    clock: world.clock,
    log: world.log,
    onRequest: (exchange, evidence) => void handler(exchange, evidence),
  });
  address = `${reachable(listener.host)}:${listener.port}`;
  const requests = builtin('certificates.k8s.io', 'certificatesigningrequests');
  const upkeep: Upkeep[] = [
    ...access.upkeep,
    ...(encryption === undefined ? [] : [encryptStored(options.store, encryption, world)]),
    endNamespaces(context, namespaces),
    endDefinitions(context, builtin('apiextensions.k8s.io', 'customresourcedefinitions')),
    collectGarbage(context),
    forgetHistory(context),
    forgetEvents(context, builtin('', 'events')),
    forgetRequests(context, requests),
    // Other machines join by requests.
    signRequests(context, requests, credentials.authority, { expects: !isLoopback(listener.host) }),
  ];
  return {
    url: `https://${address}`,
    close: async () => {
      closing = true;
      open.endAll();
      await listener.close();
      await Promise.all(upkeep.map((one) => one.close()));
      indexes.close();
      hub.close();
      catalog.close();
    },
  };
}

function mustFind(served: Served | undefined, plural: string): Served {
  if (served === undefined) throw new Error(`the built-in resource ${plural} is missing`);
  return served;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** A listener on all addresses is reached by the loopback one. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function versionOf(version: string): ServerVersion {
  const { major, minor, patch } = kubernetesVersion;
  return {
    major,
    minor,
    gitVersion: `v${major}.${minor}.${patch}+${version.replace(/[^0-9A-Za-z.-]/g, '-')}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch}`,
  };
}
