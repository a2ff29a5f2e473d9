/**
 * The roles and bindings every cluster starts with, as far as their resources exist here.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
 */
import type { KubeObject } from '../../object.ts';
import { rbacGroup } from './grants.ts';
import type { PolicyRule } from './rules.ts';

/** True in this annotation lets the server mend the object at each start. */
export const autoupdateAnnotation = 'rbac.authorization.kubernetes.io/autoupdate';
const aggregateTo = 'rbac.authorization.k8s.io/aggregate-to-';
const bootstrapping = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };

const readVerbs = ['get', 'list', 'watch'];
const writeVerbs = ['create', 'delete', 'deletecollection', 'patch', 'update'];

function on(apiGroup: string, resources: string[], verbs: readonly string[]): PolicyRule {
  return { verbs, apiGroups: [apiGroup], resources };
}

function role(
  name: string,
  rules: readonly PolicyRule[],
  labels: { [key: string]: string } = {},
): KubeObject {
  return { ...object('ClusterRole', name, labels), rules };
}

/** A role that gathers the rules of all roles labelled for it, and is itself gathered by `into`. */
function gathering(name: string, into?: string): KubeObject {
  const labels = into === undefined ? {} : { [`${aggregateTo}${into}`]: 'true' };
  const selector = { matchLabels: { [`${aggregateTo}${name}`]: 'true' } };
  return { ...object('ClusterRole', name, labels), aggregationRule: { clusterRoleSelectors: [selector] } };
}

function binding(name: string, roleName: string, groups: readonly string[]): KubeObject {
  return {
    ...object('ClusterRoleBinding', name, {}),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: roleName },
    subjects: groups.map((group) => ({ apiGroup: rbacGroup, kind: 'Group', name: group })),
  };
}

function object(kind: string, name: string, labels: { [key: string]: string }): KubeObject {
  return {
    apiVersion: `${rbacGroup}/v1`,
    kind,
    metadata: {
      name,
      labels: { ...bootstrapping, ...labels },
      annotations: { [autoupdateAnnotation]: 'true' },
    },
  };
}

const selfReviews = [
  on('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
  on('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
];
const delegatedReviews = [
  on('authentication.k8s.io', ['tokenreviews'], ['create']),
  on('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
];
const statusPaths = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
/** As kube-apiserver has them for the group system:monitoring. */
const monitoringPaths = ['/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/readyz', '/readyz/*'];
const discoveryPaths = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', ...statusPaths];

/** The ClusterRoles. */
export const defaultRoles: readonly KubeObject[] = [
  role('cluster-admin', [on('*', ['*'], ['*']), { verbs: ['*'], nonResourceURLs: ['*'] }]),
  gathering('admin'),
  gathering('edit', 'admin'),
  gathering('view', 'edit'),
  role(
    'system:aggregate-to-admin',
    [
      on('authorization.k8s.io', ['localsubjectaccessreviews'], ['create']),
      on(rbacGroup, ['rolebindings', 'roles'], [...writeVerbs, ...readVerbs]),
    ],
    { [`${aggregateTo}admin`]: 'true' },
  ),
  role(
    'system:aggregate-to-edit',
    [
      on('', ['secrets'], readVerbs),
      on('', ['serviceaccounts'], ['impersonate', ...writeVerbs]),
      on('', ['configmaps', 'events', 'secrets'], writeVerbs),
      on('', ['serviceaccounts/token'], ['create']),
      on('coordination.k8s.io', ['leases'], [...writeVerbs, ...readVerbs]),
    ],
    { [`${aggregateTo}edit`]: 'true' },
  ),
  role(
    'system:aggregate-to-view',
    [
      on('', ['configmaps', 'events', 'namespaces', 'serviceaccounts'], readVerbs),
      on('events.k8s.io', ['events'], readVerbs),
    ],
    { [`${aggregateTo}view`]: 'true' },
  ),
  role('system:basic-user', selfReviews),
  role('system:discovery', [{ verbs: ['get'], nonResourceURLs: discoveryPaths }]),
  role('system:public-info-viewer', [{ verbs: ['get'], nonResourceURLs: statusPaths }]),
  role('system:monitoring', [{ verbs: ['get'], nonResourceURLs: monitoringPaths }]),
  role('system:auth-delegator', delegatedReviews),
  role('system:certificates.k8s.io:kube-apiserver-client-approver', [
    {
      ...on('certificates.k8s.io', ['signers'], ['approve']),
      resourceNames: ['kubernetes.io/kube-apiserver-client'],
    },
  ]),
  role('system:service-account-issuer-discovery', [
    { verbs: ['get'], nonResourceURLs: ['/.well-known/openid-configuration', '/openid/v1/jwks'] },
  ]),
];

/** The ClusterRoleBindings. */
export const defaultBindings: readonly KubeObject[] = [
  binding('cluster-admin', 'cluster-admin', ['system:masters']),
  binding('system:basic-user', 'system:basic-user', ['system:authenticated']),
  binding('system:discovery', 'system:discovery', ['system:authenticated']),
  binding('system:public-info-viewer', 'system:public-info-viewer', [
    'system:authenticated',
    'system:unauthenticated',
  ]),
  binding('system:monitoring', 'system:monitoring', ['system:monitoring']),
  binding('system:service-account-issuer-discovery', 'system:service-account-issuer-discovery', [
    'system:serviceaccounts',
  ]),
];
