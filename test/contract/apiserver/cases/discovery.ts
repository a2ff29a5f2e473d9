/** What clients ask before anything else. */
import { type Case, step } from '../suite.ts';

const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';

export const discoveryCases: Case[] = [
  {
    name: 'discovery in the classic form',
    comparedWith: '1.33.4',
    steps: [
      step('GET', '/api', { code: 200, body: { kind: 'APIVersions', versions: ['v1'] } }),
      step('GET', '/apis', { code: 200, body: { kind: 'APIGroupList', apiVersion: 'v1', groups: '<any>' } }),
      step('GET', '/api/v1', {
        code: 200,
        body: { kind: 'APIResourceList', groupVersion: 'v1' },
        text: /"name":"configmaps","singularName":"configmap","namespaced":true,"kind":"ConfigMap"/,
      }),
      step('GET', '/apis/coordination.k8s.io', {
        code: 200,
        body: { kind: 'APIGroup', name: 'coordination.k8s.io' },
      }),
      step('GET', '/apis/nothing.dev', { code: 404 }),
      step('GET', '/apis/nothing.dev/v1', { code: 404 }),
    ],
  },
  {
    name: 'discovery in the aggregated form',
    comparedWith: '1.33.4',
    steps: [
      step(
        'GET',
        '/api',
        {
          code: 200,
          body: { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' },
          headers: {
            'content-type': 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
            etag: /.+/,
          },
        },
        { accept: v2 },
      ),
      step(
        'GET',
        '/apis',
        {
          code: 200,
          text: /"resource":"leases","responseKind":\{"group":"[^"]*","version":"[^"]*","kind":"Lease"\},"scope":"Namespaced"/,
        },
        { accept: v2 },
      ),
    ],
  },
  {
    name: 'version, health and OpenAPI',
    comparedWith: '1.33.4',
    steps: [
      step('GET', '/version', { code: 200, body: { major: '1', gitVersion: '/^v1\\./' } }),
      step('GET', '/readyz', { code: 200, text: /^ok$/ }),
      step('GET', '/livez?verbose', { code: 200, text: /\[\+\]ping ok\n(.*\n)*livez check passed/ }),
      step('GET', '/openapi/v3', {
        code: 200,
        body: { paths: { 'api/v1': { serverRelativeURL: '/^/openapi/v3/api/v1\\?hash=/' } } },
      }),
      step('GET', '/openapi/v2', { code: 200, body: { swagger: '2.0', definitions: '<any>' } }),
      step(
        'GET',
        '/openapi/v2',
        { code: 200, text: /^\n.2\.0[\s\S]*io\.k8s\.api\.core\.v1\.ConfigMap/ },
        { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
      ),
      step('GET', '/openapi/v3/api/v1', { code: 200, body: { openapi: '/^3\\./' } }),
      step('GET', '/nowhere', { code: 404 }),
    ],
  },
];
