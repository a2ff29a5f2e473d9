/** Life of plain objects: create, read, update, delete, and every way these are refused. */
import { type Case, step } from '../suite.ts';

const maps = '/api/v1/namespaces/{ns}/configmaps';
const map = (name: string, data: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});

const roles = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
const role = `${roles}/{ns}`;
const clusterRole = (name: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRole',
  metadata: { name, namespace: 'default' },
  rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
});

export const objectCases: Case[] = [
  {
    name: 'a created object gets its identity from the server',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        {
          code: 201,
          body: {
            kind: 'ConfigMap',
            apiVersion: 'v1',
            metadata: {
              name: 'a',
              namespace: '{ns}',
              uid: '/^[0-9a-f-]{36}$/',
              resourceVersion: '/^[0-9]+$/',
              creationTimestamp: '/^20.*Z$/',
              generation: '<absent>',
            },
            data: { k: 'v' },
          },
        },
        { body: map('a', { k: 'v' }), save: { uid: 'metadata.uid' } },
      ),
      step('GET', `${maps}/a`, { code: 200, body: { metadata: { uid: '{uid}' }, data: { k: 'v' } } }),
      step(
        'POST',
        maps,
        {
          code: 409,
          body: {
            kind: 'Status',
            status: 'Failure',
            reason: 'AlreadyExists',
            message: 'configmaps "a" already exists',
            details: { name: 'a', kind: 'configmaps' },
          },
        },
        { body: map('a') },
      ),
    ],
  },
  {
    name: 'generateName makes a name with a random suffix',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        { code: 201, body: { metadata: { name: '/^gen-[a-z0-9]{5}$/', generateName: 'gen-' } } },
        { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'gen-' } } },
      ),
      step(
        'POST',
        maps,
        {
          code: 422,
          body: {
            reason: 'Invalid',
            details: { causes: [{ field: 'metadata.name', reason: 'FieldValueRequired' }] },
          },
        },
        { body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} } },
      ),
    ],
  },
  {
    name: 'what does not exist is not found, by the right words',
    comparedWith: '1.33.4',
    steps: [
      step('GET', `${maps}/nope`, {
        code: 404,
        body: {
          kind: 'Status',
          apiVersion: 'v1',
          metadata: {},
          status: 'Failure',
          message: 'configmaps "nope" not found',
          reason: 'NotFound',
          details: { name: 'nope', kind: 'configmaps' },
          code: 404,
        },
      }),
      step('DELETE', `${maps}/nope`, { code: 404, body: { reason: 'NotFound' } }),
      step('GET', '/api/v1/nothings', {
        code: 404,
        body: { message: 'the server could not find the requested resource', reason: 'NotFound' },
      }),
      step(
        'POST',
        '/api/v1/namespaces/no-such-space/configmaps',
        { code: 404, body: { message: 'namespaces "no-such-space" not found' } },
        { body: map('a') },
      ),
    ],
  },
  {
    name: 'an update must know the newest revision, if it names one',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        { code: 201 },
        { body: map('a', { k: '1' }), save: { rv: 'metadata.resourceVersion', uid: 'metadata.uid' } },
      ),
      step(
        'PUT',
        `${maps}/a`,
        { code: 200, body: { data: { k: '2' } } },
        { body: map('a', { k: '2' }, { resourceVersion: '{rv}' }) },
      ),
      step(
        'PUT',
        `${maps}/a`,
        {
          code: 409,
          body: {
            reason: 'Conflict',
            message:
              'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
          },
        },
        { body: map('a', { k: '3' }, { resourceVersion: '{rv}' }) },
      ),
      step(
        'PUT',
        `${maps}/a`,
        { code: 200, body: { data: { k: '4' }, metadata: { uid: '{uid}' } } },
        { body: map('a', { k: '4' }) },
      ),
      step(
        'PUT',
        `${maps}/a`,
        { code: 400, body: { message: 'the name of the object (b) does not match the name on the URL (a)' } },
        { body: map('b') },
      ),
      step('PUT', `${maps}/nope`, { code: 404 }, { body: map('nope') }),
      step(
        'PUT',
        `${maps}/a`,
        { code: 409, body: { message: '/UID in precondition: other/' } },
        { body: map('a', {}, { uid: 'other' }) },
      ),
    ],
  },
  {
    name: 'a write that changes nothing leaves the revision as it is',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        { code: 201 },
        { body: map('a', { k: '1' }), save: { rv: 'metadata.resourceVersion' } },
      ),
      step(
        'PUT',
        `${maps}/a`,
        { code: 200, body: { metadata: { resourceVersion: '{rv}' } } },
        { body: map('a', { k: '1' }) },
      ),
    ],
  },
  {
    name: 'deletion answers with a Status and obeys preconditions',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('a'), save: { uid: 'metadata.uid' } }),
      step(
        'DELETE',
        `${maps}/a`,
        {
          code: 409,
          body: {
            reason: 'Conflict',
            message:
              '/^Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition \\(other\\) does not match the UID in record/',
          },
        },
        { body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'other' } } },
      ),
      step('DELETE', `${maps}/a?dryRun=All`, { code: 200, body: { status: 'Success' } }),
      step('DELETE', `${maps}/a`, {
        code: 200,
        body: { kind: 'Status', status: 'Success', details: { name: 'a', kind: 'configmaps', uid: '{uid}' } },
      }),
      step('GET', `${maps}/a`, { code: 404 }),
    ],
  },
  {
    name: 'a finalizer holds a deleted object until it is taken off, and none can be added then',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('a', {}, { finalizers: ['example.dev/hold'] }) }),
      step('DELETE', `${maps}/a`, {
        code: 200,
        body: { kind: 'ConfigMap', metadata: { deletionTimestamp: '<any>', deletionGracePeriodSeconds: 0 } },
      }),
      step(
        'POST',
        maps,
        { code: 409, body: { message: 'object is being deleted: configmaps "a" already exists' } },
        { body: map('a') },
      ),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 422, body: { message: '/no new finalizers can be added if the object is being deleted/' } },
        {
          type: 'application/merge-patch+json',
          body: { metadata: { finalizers: ['example.dev/hold', 'example.dev/new'] } },
        },
      ),
      step(
        'PATCH',
        `${maps}/a`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { finalizers: null } } },
      ),
      step('GET', `${maps}/a`, { code: 404 }),
    ],
  },
  {
    name: 'dryRun=All answers as if and stores nothing',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${maps}?dryRun=All`,
        { code: 201, body: { metadata: { uid: '<any>', resourceVersion: '<absent>' } } },
        { body: map('a') },
      ),
      step('GET', `${maps}/a`, { code: 404 }),
      step(
        'POST',
        `${maps}?dryRun=Some`,
        {
          code: 422,
          body: { message: '/dryRun: Unsupported value: \\[\\]string\\{"Some"\\}: supported values: "All"/' },
        },
        { body: map('a') },
      ),
    ],
  },
  {
    name: 'an object of no namespace loses the one it names',
    comparedWith: '1.33.4',
    steps: [
      ...(
        [
          ['POST', roles, 201, 'application/json'],
          ['PUT', role, 200, 'application/json'],
          ['PATCH', role, 200, 'application/merge-patch+json'],
          ['PATCH', `${role}?fieldManager=a`, 200, 'application/apply-patch+yaml'],
          ['PATCH', `${role}-2?fieldManager=a`, 201, 'application/apply-patch+yaml'],
        ] as const
      ).map(([method, path, code, type]) =>
        step(
          method,
          path,
          { code, body: { metadata: { namespace: '<absent>' } } },
          { type, body: clusterRole(path.includes('-2') ? '{ns}-2' : '{ns}') },
        ),
      ),
      step('DELETE', role, { code: 200 }),
      step('DELETE', `${role}-2`, { code: 200 }),
    ],
  },
  {
    name: 'malformed requests are told what is wrong',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 400, body: { reason: 'BadRequest' } }, { body: '{"apiVersion":' }),
      step('POST', maps, { code: 400, body: { reason: 'BadRequest' } }, { body: '[]' }),
      step('POST', maps, { code: 400 }, { body: { ...map('a'), kind: 'Secret' } }),
      step('POST', maps, { code: 400 }, { body: { ...map('a'), apiVersion: 'v2' } }),
      step(
        'POST',
        maps,
        {
          code: 400,
          body: {
            message: 'the namespace of the provided object does not match the namespace sent on the request',
          },
        },
        { body: map('a', {}, { namespace: 'other' }) },
      ),
      step('POST', maps, { code: 400 }, { body: { ...map('a'), data: { k: 1 } } }),
      step(
        'POST',
        maps,
        { code: 415, body: { reason: 'UnsupportedMediaType' } },
        { body: 'x', type: 'text/plain' },
      ),
      step(
        'POST',
        maps,
        {
          code: 422,
          body: { message: '/metadata.name: Invalid value: "BAD": a lowercase RFC 1123 subdomain/' },
        },
        { body: map('BAD') },
      ),
      step(
        'POST',
        maps,
        { code: 422, body: { message: '/metadata.labels: Invalid value: "b c"/' } },
        { body: map('a', {}, { labels: { a: 'b c' } }) },
      ),
      step('GET', maps, { code: 406, body: { reason: 'NotAcceptable' } }, { accept: 'image/png' }),
      step('PUT', maps, { code: 405, body: { reason: 'MethodNotAllowed' } }, { body: map('a') }),
      step('POST', `${maps}/a`, { code: 405 }, { body: map('a') }),
      step('POST', `${maps}?fieldValidation=Maybe`, { code: 422 }, { body: map('a') }),
    ],
  },
  {
    name: 'a body above 3 MiB is refused',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        { code: 413, body: { reason: 'RequestEntityTooLarge' } },
        { body: map('a', { k: 'x'.repeat(3 * 1024 * 1024) }) },
      ),
    ],
  },
  {
    name: 'bodies may be YAML, and answers too',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        maps,
        { code: 201, body: { data: { k: 'v' } } },
        {
          type: 'application/yaml',
          body: 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n',
        },
      ),
      step(
        'GET',
        `${maps}/a`,
        { code: 200, text: /^(.*\n)*data:\n {2}k: v\n/, headers: { 'content-type': /yaml/ } },
        { accept: 'application/yaml' },
      ),
    ],
  },
  {
    name: 'deletecollection deletes what the selector chooses',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('a', {}, { labels: { app: 'x' } }) }),
      step('POST', maps, { code: 201 }, { body: map('b', {}, { labels: { app: 'y' } }) }),
      step('DELETE', `${maps}?labelSelector=app%3Dx`, {
        code: 200,
        body: { kind: 'ConfigMapList', items: [{ metadata: { name: 'a' } }] },
      }),
      step('GET', `${maps}?labelSelector=app`, { code: 200, body: { items: [{ metadata: { name: 'b' } }] } }),
      step('DELETE', '/api/v1/configmaps', { code: 405 }),
    ],
  },
];
