/** Who may do what: RBAC, that nobody gives out more than he has, the questions about it, and impersonation. */
import { type Case, type Step, step } from '../suite.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const inSpace = `${rbac}/namespaces/{ns}`;
const maps = '/api/v1/namespaces/{ns}/configmaps';
const authorization = '/apis/authorization.k8s.io/v1';
const rbacVersion = 'rbac.authorization.k8s.io/v1';

/** A user that nobody else is. */
const jane = { user: '{ns}-jane', groups: ['{ns}-dev'] };

const rule = (verbs: string[], resources: string[], more: Record<string, unknown> = {}) => ({
  apiGroups: [''],
  resources,
  verbs,
  ...more,
});
const role = (name: string, ...rules: object[]) => ({
  apiVersion: rbacVersion,
  kind: 'Role',
  metadata: { name },
  rules,
});
const binding = (name: string, kind = 'Role') => ({
  apiVersion: rbacVersion,
  kind: 'RoleBinding',
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: '{ns}-jane' }],
});

/** A role in the namespace of the case, bound to jane. */
const granted = (name: string, ...rules: object[]): Step[] => [
  step('POST', `${inSpace}/roles`, { code: 201 }, { body: role(name, ...rules) }),
  step('POST', `${inSpace}/rolebindings`, { code: 201 }, { body: binding(name) }),
];

const refused = (message: string) => ({ code: 403, body: { reason: 'Forbidden', message } });
const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
const mayList = { resourceAttributes: { namespace: '{ns}', verb: 'list', resource: 'configmaps' } };

export const accessCases: Case[] = [
  {
    name: 'what no role allows is refused, with what a role would have to say',
    comparedWith: '1.33.4',
    steps: [
      step(
        'GET',
        maps,
        {
          code: 403,
          body: {
            kind: 'Status',
            apiVersion: 'v1',
            metadata: {},
            status: 'Failure',
            message:
              'configmaps is forbidden: User "{ns}-jane" cannot list resource "configmaps" in API group "" in the namespace "{ns}"',
            reason: 'Forbidden',
            details: { kind: 'configmaps', name: '<absent>' },
            code: 403,
          },
        },
        { as: jane },
      ),
      step(
        'GET',
        `${rbac}/clusterroles/view`,
        {
          code: 403,
          body: {
            message:
              'clusterroles.rbac.authorization.k8s.io "view" is forbidden: User "{ns}-jane" cannot get resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope',
            details: { name: 'view', group: 'rbac.authorization.k8s.io', kind: 'clusterroles' },
          },
        },
        { as: jane },
      ),
      step(
        'GET',
        '/metrics',
        { code: 403, body: { message: 'forbidden: User "{ns}-jane" cannot get path "/metrics"' } },
        { as: jane },
      ),
    ],
  },
  {
    name: 'a bound role allows what it names and nothing beside it, until its binding goes',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('a') }),
      ...granted('reader', rule(['get', 'list'], ['configmaps'])),
      step('GET', `${maps}/a`, { code: 200, eventually: true }, { as: jane }),
      step('GET', maps, { code: 200 }, { as: jane }),
      step('GET', `${maps}?watch=1&timeoutSeconds=1`, refused('/cannot watch resource "configmaps"/'), {
        as: jane,
      }),
      step('POST', maps, refused('/cannot create resource "configmaps"/'), { as: jane, body: map('b') }),
      step('DELETE', `${maps}/a`, refused('/cannot delete resource "configmaps"/'), { as: jane }),
      step('DELETE', maps, refused('/cannot deletecollection resource "configmaps"/'), { as: jane }),
      step('GET', '/api/v1/namespaces/{ns}/secrets', refused('/cannot list resource "secrets"/'), {
        as: jane,
      }),
      step('GET', '/api/v1/namespaces/default/configmaps', refused('/in the namespace "default"/'), {
        as: jane,
      }),
      step('GET', '/api/v1/configmaps', refused('/at the cluster scope/'), { as: jane }),
      step('DELETE', `${inSpace}/rolebindings/reader`, { code: 200 }),
      step('GET', `${maps}/a`, { code: 403, eventually: true }, { as: jane }),
    ],
  },
  {
    name: 'a role may name single objects, and subresources have to be named',
    comparedWith: '1.33.4',
    steps: [
      step('POST', maps, { code: 201 }, { body: map('a') }),
      step('POST', maps, { code: 201 }, { body: map('b') }),
      step(
        'POST',
        '/api/v1/namespaces/{ns}/serviceaccounts',
        { code: 201 },
        { body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bot' } } },
      ),
      ...granted(
        'narrow',
        rule(['get', 'update'], ['configmaps'], { resourceNames: ['a'] }),
        rule(['create', 'get'], ['serviceaccounts']),
      ),
      step('GET', `${maps}/a`, { code: 200, eventually: true }, { as: jane }),
      step('GET', `${maps}/b`, refused('/configmaps "b" is forbidden/'), { as: jane }),
      step('GET', maps, refused('/cannot list/'), { as: jane }),
      step(
        'GET',
        '/api/v1/namespaces/{ns}/serviceaccounts/bot',
        { code: 200, eventually: true },
        { as: jane },
      ),
      step(
        'POST',
        '/api/v1/namespaces/{ns}/serviceaccounts/bot/token',
        refused('/cannot create resource "serviceaccounts/token"/'),
        { as: jane, body: {} },
      ),
    ],
  },
  {
    name: 'nobody writes a role with more than he has, unless he may escalate',
    comparedWith: '1.33.4',
    steps: [
      ...granted('writer', rule(['get'], ['configmaps']), {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['roles'],
        verbs: ['create', 'update', 'patch'],
      }),
      step(
        'POST',
        `${inSpace}/roles`,
        { code: 201, eventually: true },
        { as: jane, body: role('same', rule(['get'], ['configmaps'])) },
      ),
      step(
        'POST',
        `${inSpace}/roles`,
        refused(
          '/roles.rbac.authorization.k8s.io "more" is forbidden: user "{ns}-jane" \\(groups=\\["{ns}-dev" "system:authenticated"\\]\\) is attempting to grant RBAC permissions not currently held:\\n.*Resources:\\["secrets"\\], Verbs:\\["get"\\]/',
        ),
        { as: jane, body: role('more', rule(['get'], ['configmaps', 'secrets'])) },
      ),
      step('PATCH', `${inSpace}/roles/same`, refused('/attempting to grant RBAC permissions/'), {
        as: jane,
        type: 'application/merge-patch+json',
        body: { rules: [rule(['*'], ['configmaps'])] },
      }),
      ...granted('escalates', {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['roles'],
        verbs: ['escalate'],
      }),
      step(
        'POST',
        `${inSpace}/roles`,
        { code: 201, eventually: true },
        { as: jane, body: role('more', rule(['get'], ['secrets'])) },
      ),
    ],
  },
  {
    name: 'nobody binds a role with more than he has, unless he may bind it',
    comparedWith: '1.33.4',
    steps: [
      ...granted('writer', rule(['get'], ['configmaps']), {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['rolebindings'],
        verbs: ['create'],
      }),
      step('POST', `${inSpace}/roles`, { code: 201 }, { body: role('same', rule(['get'], ['configmaps'])) }),
      step(
        'POST',
        `${inSpace}/rolebindings`,
        { code: 201, eventually: true },
        { as: jane, body: binding('same') },
      ),
      step(
        'POST',
        `${inSpace}/rolebindings`,
        refused('/attempting to grant RBAC permissions not currently held/'),
        {
          as: jane,
          body: binding('edit', 'ClusterRole'),
        },
      ),
      step('POST', `${inSpace}/rolebindings`, { code: 404 }, { as: jane, body: binding('missing') }),
      ...granted('binds', {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles'],
        resourceNames: ['edit'],
        verbs: ['bind'],
      }),
      step(
        'POST',
        `${inSpace}/rolebindings`,
        { code: 201, eventually: true },
        { as: jane, body: binding('edit', 'ClusterRole') },
      ),
    ],
  },
  {
    name: 'what a binding binds cannot be changed',
    comparedWith: '1.33.4',
    steps: [
      ...granted('reader', rule(['get'], ['configmaps'])),
      step(
        'PATCH',
        `${inSpace}/rolebindings/reader`,
        { code: 422, body: { message: '/roleRef: Invalid value: .*cannot change roleRef/' } },
        { type: 'application/merge-patch+json', body: { roleRef: { name: 'other' } } },
      ),
      step('POST', `${inSpace}/rolebindings`, { code: 422 }, { body: { ...binding('x'), roleRef: {} } }),
    ],
  },
  {
    name: 'everybody may ask what he may do, and who may ask for others is told about them',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        `${authorization}/selfsubjectaccessreviews`,
        { code: 201, body: { status: { allowed: false } } },
        { as: jane, body: { spec: mayList } },
      ),
      step('POST', `${authorization}/subjectaccessreviews`, refused('/cannot create resource/'), {
        as: jane,
        body: { spec: { ...mayList, user: 'x' } },
      }),
      ...granted('reader', rule(['get', 'list'], ['configmaps'])),
      step(
        'POST',
        `${authorization}/selfsubjectaccessreviews`,
        {
          code: 201,
          body: {
            spec: mayList,
            status: {
              allowed: true,
              reason: '/^RBAC: allowed by RoleBinding "reader\\/{ns}" of Role "reader"/',
            },
          },
          eventually: true,
        },
        { as: jane, body: { spec: mayList } },
      ),
      step(
        'POST',
        `${authorization}/subjectaccessreviews`,
        { code: 201, body: { status: { allowed: true } } },
        { body: { spec: { ...mayList, user: '{ns}-jane' } } },
      ),
      step(
        'POST',
        `${authorization}/subjectaccessreviews`,
        { code: 201, body: { status: { allowed: false } } },
        { body: { spec: { ...mayList, user: '{ns}-john' } } },
      ),
      step(
        'POST',
        `${authorization}/subjectaccessreviews`,
        { code: 201, body: { status: { allowed: true } } },
        {
          body: {
            spec: {
              user: '{ns}-john',
              groups: ['system:masters'],
              nonResourceAttributes: { path: '/metrics', verb: 'get' },
            },
          },
        },
      ),
      step(
        'POST',
        `${authorization}/subjectaccessreviews`,
        { code: 422, body: { message: '/at least one of user or group must be specified/' } },
        { body: { spec: mayList } },
      ),
      step('POST', `${authorization}/selfsubjectaccessreviews`, { code: 422 }, { body: { spec: {} } }),
    ],
  },
  {
    name: 'rules are listed as they are held in a namespace',
    comparedWith: '1.33.4',
    steps: [
      ...granted('reader', rule(['get', 'list'], ['configmaps'], { resourceNames: ['a'] })),
      step(
        'POST',
        `${authorization}/selfsubjectrulesreviews`,
        {
          code: 201,
          body: { status: { resourceRules: '<any>', nonResourceRules: '<any>', incomplete: '<any>' } },
          text: /"verbs":\["get","list"\],"apiGroups":\[""\],"resources":\["configmaps"\],"resourceNames":\["a"\]/,
          eventually: true,
        },
        { as: jane, body: { spec: { namespace: '{ns}' } } },
      ),
      step(
        'POST',
        `${authorization}/selfsubjectrulesreviews`,
        { code: 400 },
        { as: jane, body: { spec: {} } },
      ),
    ],
  },
  {
    name: 'who may impersonate is known as the other, with groups and more',
    comparedWith: '1.33.4',
    steps: [
      step(
        'POST',
        '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        {
          code: 201,
          body: {
            status: {
              userInfo: {
                username: '{ns}-jane',
                groups: ['{ns}-dev', 'system:authenticated'],
                extra: { 'example.com/scope': ['read'] },
              },
            },
          },
        },
        { as: { ...jane, extra: { 'example.com/scope': 'read' } }, body: {} },
      ),
      step(
        'POST',
        '/apis/authentication.k8s.io/v1/selfsubjectreviews',
        {
          code: 201,
          body: {
            status: {
              userInfo: {
                username: 'system:serviceaccount:{ns}:default',
                groups: ['system:serviceaccounts', 'system:serviceaccounts:{ns}', 'system:authenticated'],
              },
            },
          },
        },
        { as: { user: 'system:serviceaccount:{ns}:default' }, body: {} },
      ),
    ],
  },
];
