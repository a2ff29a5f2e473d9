/** What the built-in kinds do beyond being stored. */
import { type Case, step } from '../suite.ts';

const space = '/api/v1/namespaces/{ns}';
const owner = (name: string, uid: string, more: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  name,
  uid,
  ...more,
});
const map = (name: string, metadata: Record<string, unknown> = {}, more: Record<string, unknown> = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  ...more,
});
const secret = (name: string, more: Record<string, unknown>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  ...more,
});

const leases = '/apis/coordination.k8s.io/v1/namespaces/{ns}/leases';
const lease = (holderIdentity: string, metadata: Record<string, unknown> = {}): unknown => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'new', ...metadata },
  spec: { holderIdentity, leaseDurationSeconds: 5 },
});

export const kindCases: Case[] = [
  {
    name: 'stringData of a secret is written, never read',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${space}/secrets`,
        { code: 201, body: { type: 'Opaque', data: { a: 'YQ==', b: 'Yg==' }, stringData: '<absent>' } },
        { body: secret('a', { data: { a: 'YQ==' }, stringData: { b: 'b' } }) },
      ),
      step('POST', `${space}/secrets`, { code: 400 }, { body: secret('b', { data: { a: 'no base64!' } }) }),
      step(
        'POST',
        `${space}/secrets`,
        { code: 422, body: { message: '/data\\[tls.key\\]: Required value/' } },
        { body: secret('c', { type: 'kubernetes.io/tls', stringData: { 'tls.crt': 'x' } }) },
      ),
      step(
        'PATCH',
        `${space}/secrets/a`,
        { code: 422, body: { message: '/type: Invalid value: "other": field is immutable/' } },
        { type: 'application/merge-patch+json', body: { type: 'other' } },
      ),
      step('GET', `${space}/secrets?fieldSelector=type%3DOpaque`, {
        code: 200,
        body: { items: [{ metadata: { name: 'a' } }] },
      }),
    ],
  },
  {
    name: 'an immutable config map stays as it is',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${space}/configmaps`,
        { code: 201 },
        { body: map('a', {}, { data: { k: '1' }, immutable: true }) },
      ),
      step(
        'PATCH',
        `${space}/configmaps/a`,
        { code: 422, body: { message: '/field is immutable when `immutable` is set/' } },
        { type: 'application/merge-patch+json', body: { data: { k: '2' } } },
      ),
    ],
  },
  {
    name: 'an event is one object in two groups',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${space}/events`,
        { code: 201 },
        {
          body: {
            apiVersion: 'v1',
            kind: 'Event',
            metadata: { name: 'e' },
            involvedObject: { kind: 'ConfigMap', name: 'a', namespace: '{ns}', uid: 'u1' },
            reason: 'Tested',
            message: 'hello',
            type: 'Normal',
            count: 2,
          },
        },
      ),
      step('GET', '/apis/events.k8s.io/v1/namespaces/{ns}/events/e', {
        code: 200,
        body: {
          apiVersion: 'events.k8s.io/v1',
          note: 'hello',
          regarding: { name: 'a' },
          deprecatedCount: 2,
          message: '<absent>',
          involvedObject: '<absent>',
        },
      }),
      step('GET', `${space}/events?fieldSelector=involvedObject.uid%3Du1,involvedObject.name%3Da`, {
        code: 200,
        body: { items: [{ reason: 'Tested' }] },
      }),
      step('GET', `${space}/events?fieldSelector=involvedObject.uid%3Du2`, {
        code: 200,
        body: { items: [] },
      }),
      step(
        'POST',
        `${space}/events`,
        { code: 422, body: { message: '/involvedObject.namespace: Invalid value/' } },
        {
          body: {
            apiVersion: 'v1',
            kind: 'Event',
            metadata: { name: 'f' },
            involvedObject: { kind: 'X', name: 'a', namespace: 'other' },
          },
        },
      ),
    ],
  },
  {
    name: 'a lease has a holder and sane numbers',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        '/apis/coordination.k8s.io/v1/namespaces/{ns}/leases',
        { code: 201 },
        {
          body: {
            apiVersion: 'coordination.k8s.io/v1',
            kind: 'Lease',
            metadata: { name: 'l' },
            spec: {
              holderIdentity: 'me',
              leaseDurationSeconds: 15,
              renewTime: '2026-01-02T03:04:05.000006Z',
            },
          },
        },
      ),
      step(
        'PATCH',
        '/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/l',
        { code: 422, body: { message: '/spec.leaseDurationSeconds/' } },
        { type: 'application/merge-patch+json', body: { spec: { leaseDurationSeconds: 0 } } },
      ),
    ],
  },
  {
    name: 'the role of a binding cannot change',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        '/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings',
        { code: 201, body: { roleRef: { apiGroup: 'rbac.authorization.k8s.io' } } },
        {
          body: {
            apiVersion: 'rbac.authorization.k8s.io/v1',
            kind: 'RoleBinding',
            metadata: { name: 'b' },
            roleRef: { kind: 'Role', name: 'r' },
            subjects: [{ kind: 'User', name: 'u' }],
          },
        },
      ),
      step(
        'PATCH',
        '/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings/b',
        { code: 422, body: { message: '/cannot change roleRef/' } },
        { type: 'application/merge-patch+json', body: { roleRef: { name: 'other' } } },
      ),
    ],
  },
  {
    name: 'what is in a namespace goes with it, and nothing new comes in',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        '/api/v1/namespaces',
        {
          code: 201,
          body: {
            status: { phase: 'Active' },
            spec: { finalizers: ['kubernetes'] },
            metadata: { labels: { 'kubernetes.io/metadata.name': '{ns}-x' } },
          },
        },
        { body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: '{ns}-x' } } },
      ),
      step(
        'POST',
        '/api/v1/namespaces/{ns}-x/configmaps',
        { code: 201 },
        { body: map('held', { finalizers: ['example.dev/hold'] }) },
      ),
      step('POST', '/api/v1/namespaces/{ns}-x/configmaps', { code: 201 }, { body: map('free') }),
      step('DELETE', '/api/v1/namespaces/{ns}-x', { code: 200, body: { status: { phase: 'Terminating' } } }),
      step('GET', '/api/v1/namespaces/{ns}-x/configmaps/free', { code: 404, eventually: true }),
      step(
        'POST',
        '/api/v1/namespaces/{ns}-x/configmaps',
        {
          code: 403,
          body: { reason: 'Forbidden', details: { causes: [{ reason: 'NamespaceTerminating' }] } },
        },
        { body: map('late') },
      ),
      step('GET', '/api/v1/namespaces/{ns}-x', {
        code: 200,
        eventually: true,
        body: {
          status: {
            conditions: [
              { type: 'NamespaceDeletionDiscoveryFailure', status: 'False' },
              { type: 'NamespaceDeletionGroupVersionParsingFailure', status: 'False' },
              { type: 'NamespaceDeletionContentFailure', status: 'False' },
              { type: 'NamespaceContentRemaining', status: 'True' },
              { type: 'NamespaceFinalizersRemaining', message: '/example.dev.hold in 1 resource instances/' },
            ],
          },
        },
      }),
      step(
        'PATCH',
        '/api/v1/namespaces/{ns}-x/configmaps/held',
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { finalizers: [] } } },
      ),
      step('GET', '/api/v1/namespaces/{ns}-x', { code: 404, eventually: true }),
    ],
  },
  {
    name: 'the namespaces of the system stay',
    comparedWith: '1.33.4',
    steps: [
      step('DELETE', '/api/v1/namespaces/default', {
        code: 403,
        body: { message: 'namespaces "default" is forbidden: this namespace may not be deleted' },
      }),
    ],
  },
  {
    name: 'a Lease and a Role that are not there are created by an update, a ConfigMap is not',
    comparedWith: '1.33.4',
    steps: [
      step(
        'PUT',
        `${leases}/new`,
        { code: 201, body: { spec: { holderIdentity: 'a' } } },
        { body: lease('a') },
      ),
      step(
        'PUT',
        `${leases}/new`,
        { code: 409, body: { reason: 'Conflict' } },
        { body: lease('b', { uid: 'other' }) },
      ),
      step('DELETE', `${leases}/new`, { code: 200 }),
      step(
        'PUT',
        `${leases}/new`,
        {
          code: 409,
          body: { reason: 'Conflict', message: '/Precondition failed: UID in precondition: old/' },
        },
        { body: lease('b', { uid: 'old' }) },
      ),
      step('PUT', `${leases}/new`, { code: 201 }, { body: lease('c', { resourceVersion: '7' }) }),
      step(
        'PUT',
        `${leases}/new`,
        { code: 422, body: { message: '/metadata.resourceVersion: Invalid value: 0x0: must be specified/' } },
        { body: lease('d') },
      ),
      step(
        'PUT',
        '/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles/new',
        { code: 201 },
        {
          body: {
            apiVersion: 'rbac.authorization.k8s.io/v1',
            kind: 'Role',
            metadata: { name: 'new' },
            rules: [],
          },
        },
      ),
      step('PUT', `${space}/configmaps/new`, { code: 404 }, { body: map('new') }),
    ],
  },
  {
    name: 'an object goes when its last owner is gone',
    comparedWith: '1.33.4',
    steps: [
      step('POST', `${space}/configmaps`, { code: 201 }, { body: map('one'), save: { one: 'metadata.uid' } }),
      step('POST', `${space}/configmaps`, { code: 201 }, { body: map('two'), save: { two: 'metadata.uid' } }),
      step(
        'POST',
        `${space}/configmaps`,
        { code: 201 },
        { body: map('child', { ownerReferences: [owner('one', '{one}'), owner('two', '{two}')] }) },
      ),
      step('DELETE', `${space}/configmaps/one`, { code: 200 }),
      step('GET', `${space}/configmaps/child`, {
        code: 200,
        eventually: true,
        body: { metadata: { ownerReferences: [{ name: 'two' }] } },
      }),
      step('DELETE', `${space}/configmaps/two`, { code: 200 }),
      step('GET', `${space}/configmaps/child`, { code: 404, eventually: true }),
    ],
  },
  {
    name: 'orphans stay, and in the foreground the owner waits',
    comparedWith: '1.33.4',
    steps: [
      step('POST', `${space}/configmaps`, { code: 201 }, { body: map('one'), save: { one: 'metadata.uid' } }),
      step(
        'POST',
        `${space}/configmaps`,
        { code: 201 },
        { body: map('child', { ownerReferences: [owner('one', '{one}')] }) },
      ),
      step('DELETE', `${space}/configmaps/one?propagationPolicy=Orphan`, { code: 200 }),
      step('GET', `${space}/configmaps/one`, { code: 404, eventually: true }),
      step('GET', `${space}/configmaps/child`, {
        code: 200,
        body: { metadata: { ownerReferences: '<absent>' } },
      }),
      step(
        'POST',
        `${space}/configmaps`,
        { code: 201 },
        { body: map('boss'), save: { boss: 'metadata.uid' } },
      ),
      step(
        'POST',
        `${space}/configmaps`,
        { code: 201 },
        {
          body: map('helper', {
            finalizers: ['example.dev/hold'],
            ownerReferences: [owner('boss', '{boss}', { blockOwnerDeletion: true })],
          }),
        },
      ),
      step('DELETE', `${space}/configmaps/boss?propagationPolicy=Foreground`, {
        code: 200,
        body: { metadata: { finalizers: ['foregroundDeletion'] } },
      }),
      step('GET', `${space}/configmaps/helper`, {
        code: 200,
        eventually: true,
        body: { metadata: { deletionTimestamp: '<any>' } },
      }),
      step('GET', `${space}/configmaps/boss`, { code: 200 }),
      step(
        'PATCH',
        `${space}/configmaps/helper`,
        { code: 200 },
        { type: 'application/merge-patch+json', body: { metadata: { finalizers: [] } } },
      ),
      step('GET', `${space}/configmaps/boss`, { code: 404, eventually: true }),
    ],
  },
];
