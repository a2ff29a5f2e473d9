/** Everything that is no resource: discovery, OpenAPI, version and health. Documents are made once for each state of the catalogue. */

import { createHash } from 'node:crypto';
import { printJson } from '../../schema/json.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Pace } from '../fairness/pace.ts';
import { isRecord } from '../object.ts';
import { noSuchResource, notAcceptable } from '../status.ts';
import { configurationPath, type IssuerDocuments, keysPath } from '../tokens/discovery.ts';
import { parseAccept } from '../wire/accept.ts';
import type { Exchange } from '../wire/exchange.ts';
import { aggregated, apiGroup, apiGroupList, resourceList } from './documents.ts';
import { groupsOf, type ServedGroup } from './groups.ts';
import { type HealthChecks, sendHealth } from './health.ts';

/** version.Info: what `kubectl version` shows. */
export type ServerVersion = {
  major: string;
  minor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
};

/** Answers requests that are no resource requests. */
export type PathHandler = (exchange: Exchange) => Promise<void>;

const openApiV2Protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
type Document = { body: Buffer; etag: string };

/** `address` is host:port as clients reach it. */
export function createPathHandler(options: {
  catalog: Catalog;
  version: ServerVersion;
  checks: HealthChecks;
  address: () => string;
  issuer: IssuerDocuments;
  /** As Prometheus reads them. */
  metrics: () => string;
  /** What the printing of a large document gives way by. */
  pace: () => Pace;
}): PathHandler {
  const { catalog, version, checks, address, issuer, metrics, pace } = options;
  let generation = -1;
  let documents = new Map<string, Document>();
  let groups: ServedGroup[] = [];

  /** The document of this name, made unless the catalogue is still as it was. */
  async function document(name: string, make: () => unknown): Promise<Document> {
    refresh();
    const at = generation;
    const known = documents.get(name);
    if (known !== undefined) return known;
    const content = await make();
    const body = Buffer.isBuffer(content) ? content : Buffer.from(await printSlowly(content, pace()));
    const made = { body, etag: `"${createHash('sha256').update(body).digest('hex').slice(0, 32)}"` };
    if (at === generation) documents.set(name, made);
    return made;
  }

  function refresh(): void {
    if (generation === catalog.generation()) return;
    generation = catalog.generation();
    documents = new Map();
    groups = groupsOf(catalog);
  }

  async function send(exchange: Exchange, type: string, name: string, make: () => unknown): Promise<void> {
    const { body, etag } = await document(`${name} ${type}`, make);
    exchange.setHeader('etag', etag);
    exchange.setHeader('vary', 'Accept');
    if (exchange.header('if-none-match') === etag) exchange.send(304, type, '');
    else exchange.send(200, type, body);
  }

  /** `/api` and `/apis` in the form the client reads best. */
  async function sendGroups(exchange: Exchange, core: boolean, classic: () => unknown): Promise<void> {
    const form = discoveryForm(exchange.header('accept'));
    const own = () => groups.filter(({ group }) => (group === '') === core);
    if (form === 'classic') return send(exchange, 'application/json', exchange.path, classic);
    const type = `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`;
    return send(exchange, type, exchange.path, () => aggregated(own(), form));
  }

  async function sendGroupVersion(exchange: Exchange, group: string, wanted: string): Promise<void> {
    const found = groups
      .find((item) => item.group === group)
      ?.versions.find((item) => item.version === wanted);
    if (found === undefined) throw noSuchResource();
    return send(exchange, 'application/json', exchange.path, () => resourceList(group, found));
  }

  async function sendOpenApi(exchange: Exchange, path: string): Promise<void> {
    const { openApiV3, openApiV3Index, openApiV3Path } = await import('../openapi/v3.ts');
    const all = groups.flatMap(({ group, versions }) => versions.map((served) => ({ group, ...served })));
    if (path === '') {
      const hash = (wanted: { group: string; version: string }) => {
        const served = all.find(
          ({ group, version: name }) => group === wanted.group && name === wanted.version,
        );
        return createHash('sha256').update(printJson(served)).digest('hex').slice(0, 32).toUpperCase();
      };
      return send(exchange, 'application/json', 'openapi/v3', () => openApiV3Index(all, hash));
    }
    const found = all.find((served) => openApiV3Path(served) === path);
    if (found === undefined) throw noSuchResource();
    return send(exchange, 'application/json', `openapi/v3/${path}`, () =>
      openApiV3(found.resources, version.gitVersion),
    );
  }

  async function sendOpenApiV2(exchange: Exchange): Promise<void> {
    const { openApiV2 } = await import('../openapi/v2.ts');
    const all = groups.flatMap(({ versions }) => versions.flatMap(({ resources }) => resources));
    if (!(exchange.header('accept') ?? '').includes(openApiV2Protobuf)) {
      return send(exchange, 'application/json', 'openapi/v2', () => openApiV2(all, version.gitVersion));
    }
    const { openApiV2Bytes } = await import('../openapi/v2protobuf.ts');
    // The type asked for has an @, which readers of the answer's type do not take; kube-apiserver writes a dot there.
    return send(exchange, openApiV2Protobuf.replace('@', '.'), 'openapi/v2 protobuf', () =>
      openApiV2Bytes(openApiV2(all, version.gitVersion)),
    );
  }

  return async (exchange) => {
    refresh();
    const path = exchange.path.length > 1 ? exchange.path.replace(/\/$/, '') : exchange.path;
    const health = /^\/(healthz|livez|readyz)(?:\/(.+))?$/.exec(path);
    if (health !== null) return sendHealth(exchange, checks, health[1] ?? '', health[2]);
    if (path === '/metrics') return exchange.send(200, 'text/plain; version=0.0.4; charset=utf-8', metrics());
    if (path === '/version') return exchange.send(200, 'application/json', JSON.stringify(version));
    if (path === '/api') return sendGroups(exchange, true, () => apiVersions(address()));
    if (path === '/apis') return sendGroups(exchange, false, () => apiGroupList(groups));
    if (path === '/openapi/v2') return sendOpenApiV2(exchange);
    if (path === '/openapi/v3') return sendOpenApi(exchange, '');
    if (path.startsWith('/openapi/v3/')) return sendOpenApi(exchange, path.slice('/openapi/v3/'.length));
    const ofIssuer = issuer(path, address());
    if (ofIssuer !== undefined) {
      exchange.setHeader('cache-control', 'public, max-age=3600');
      return exchange.send(200, ofIssuer.type, JSON.stringify(ofIssuer.body));
    }
    if (path === '/') return send(exchange, 'application/json', '/', () => ({ paths: rootPaths(groups) }));
    const [root = '', group = '', wanted, ...further] = path.slice(1).split('/');
    if (further.length > 0) throw noSuchResource();
    if (root === 'api' && wanted === undefined) return sendGroupVersion(exchange, '', group);
    if (root !== 'apis') throw noSuchResource();
    if (wanted !== undefined) return sendGroupVersion(exchange, group, wanted);
    const found = groups.find((item) => item.group === group && group !== '');
    if (found === undefined) throw noSuchResource();
    return send(exchange, 'application/json', path, () => ({
      kind: 'APIGroup',
      apiVersion: 'v1',
      ...apiGroup(found),
    }));
  };
}

/** The maps of a document that can be large lie so deep: `components.schemas`. */
const deepestMap = 3;

/** The JSON of a document, printed part by part. */
async function printSlowly(value: unknown, pace: Pace, depth = 0): Promise<string> {
  if (!isRecord(value) || depth === deepestMap) {
    await pace();
    return printJson(value);
  }
  const fields: string[] = [];
  for (const [name, field] of Object.entries(value)) {
    if (field === undefined) continue;
    fields.push(`${JSON.stringify(name)}:${await printSlowly(field, pace, depth + 1)}`);
  }
  return `{${fields.join(',')}}`;
}

function apiVersions(serverAddress: string): unknown {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** The first form of discovery in the Accept header that exists here. */
function discoveryForm(accept: string | undefined): 'v2' | 'v2beta1' | 'classic' {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (parameters.as === undefined) return 'classic';
    const { g, v } = parameters;
    if (
      parameters.as === 'APIGroupDiscoveryList' &&
      g === 'apidiscovery.k8s.io' &&
      (v === 'v2' || v === 'v2beta1')
    ) {
      return v;
    }
  }
  throw notAcceptable(['application/json']);
}

function rootPaths(groups: readonly ServedGroup[]): string[] {
  const named = groups.filter(({ group }) => group !== '');
  return [
    configurationPath,
    '/api',
    '/api/v1',
    '/apis',
    ...named.flatMap(({ group, versions }) => [
      `/apis/${group}`,
      ...versions.map(({ version }) => `/apis/${group}/${version}`),
    ]),
    ...['/healthz', '/livez', '/metrics', '/openapi/v2', '/openapi/v3', keysPath, '/readyz', '/version'],
  ];
}
