/** Roles and bindings of rbac.authorization.k8s.io. */
import type { FieldError } from '../../schema/contract.ts';
import { invalid, required } from '../../schema/errors.ts';
import { pathSegmentErrors } from '../metadata/names.ts';
import { equalJson, isRecord, type KubeObject } from '../object.ts';
import type { KindSchema } from '../resource.ts';
import { ageColumn, column, createdAtColumn, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { labelSelector, listOf, record, text } from './schema.ts';

const group = 'rbac.authorization.k8s.io';
const version = 'v1';
const strings = (description: string) => listOf(text('A name; "*" stands for all.'), description);

const rules: KindSchema = listOf(
  record(
    'What may be done to what.',
    {
      verbs: strings('The verbs.'),
      apiGroups: strings('The groups of the resources; "" is the core group.'),
      resources: strings('The resources.'),
      resourceNames: strings('The objects; empty means all.'),
      nonResourceURLs: strings('Paths that are no resources.'),
    },
    { required: ['verbs'] },
  ),
  'All that the role allows.',
);

const roleRef = record(
  'The role that is bound. Immutable.',
  {
    apiGroup: text('rbac.authorization.k8s.io.'),
    kind: text('Role or ClusterRole.'),
    name: text('The name of the role.'),
  },
  { required: ['kind', 'name'], 'x-kubernetes-map-type': 'atomic' },
);

const subjects = listOf(
  record(
    'Who the role is bound to.',
    {
      kind: text('User, Group or ServiceAccount.'),
      apiGroup: text('"" for ServiceAccount, else rbac.authorization.k8s.io.'),
      name: text('The name.'),
      namespace: text('The namespace of a ServiceAccount.'),
    },
    { required: ['kind', 'name'], 'x-kubernetes-map-type': 'atomic' },
  ),
  'Who the role is bound to.',
);

type Ref = { kind: string; name: string };

function refOf(binding: KubeObject): Ref {
  const ref = isRecord(binding.roleRef) ? binding.roleRef : {};
  return { kind: String(ref.kind ?? ''), name: String(ref.name ?? '') };
}

/** Decoders give an absent apiGroup the only value it can have. */
function fillGroups(binding: KubeObject): void {
  if (isRecord(binding.roleRef) && !binding.roleRef.apiGroup) binding.roleRef.apiGroup = group;
  for (const subject of Array.isArray(binding.subjects) ? binding.subjects : []) {
    if (isRecord(subject) && subject.apiGroup === undefined && subject.kind !== 'ServiceAccount') {
      subject.apiGroup = group;
    }
  }
}

function validateBinding(binding: KubeObject, old?: KubeObject): FieldError[] {
  const kinds = binding.metadata.namespace === undefined ? ['ClusterRole'] : ['Role', 'ClusterRole'];
  const { kind: refKind, name } = refOf(binding);
  const supported = kinds.map((item) => JSON.stringify(item)).join(', ');
  return [
    ...(name === '' ? [required('roleRef.name')] : []),
    ...(kinds.includes(refKind)
      ? []
      : [
          {
            type: 'FieldValueNotSupported',
            field: 'roleRef.kind',
            message: `Unsupported value: ${JSON.stringify(refKind)}: supported values: ${supported}`,
          } as const,
        ]),
    ...(old !== undefined && !equalJson(binding.roleRef, old.roleRef)
      ? [invalid('roleRef', binding.roleRef, 'cannot change roleRef')]
      : []),
  ];
}

function subjectNames(kindName: string) {
  return (binding: KubeObject): string => {
    const list = Array.isArray(binding.subjects) ? binding.subjects.filter(isRecord) : [];
    return list
      .filter((subject) => subject.kind === kindName)
      .map((subject) =>
        kindName === 'ServiceAccount' ? `${subject.namespace}/${subject.name}` : `${subject.name}`,
      )
      .join(', ');
  };
}

const bindingColumns = [
  nameColumn,
  column('Role', (binding) => `${refOf(binding).kind}/${refOf(binding).name}`),
  ageColumn,
  column('Users', subjectNames('User'), { priority: 1 }),
  column('Groups', subjectNames('Group'), { priority: 1 }),
  column('ServiceAccounts', subjectNames('ServiceAccount'), { priority: 1 }),
];

/** The Role kind. */
export const roleKind = kind({
  group,
  version,
  kind: 'Role',
  plural: 'roles',
  namespaced: true,
  description: 'Role is a set of rules that a RoleBinding can give out within one namespace.',
  fields: { rules },
  behaviour: { nameErrors: pathSegmentErrors, createOnUpdate: true },
  columns: [nameColumn, createdAtColumn],
});

/** The ClusterRole kind. */
export const clusterRoleKind = kind({
  group,
  version,
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
  description: 'ClusterRole is a set of rules that a RoleBinding or ClusterRoleBinding can give out.',
  fields: {
    rules,
    aggregationRule: record('How rules are gathered from other roles.', {
      clusterRoleSelectors: listOf(labelSelector('Roles to gather from.'), 'Any of these may match.'),
    }),
  },
  behaviour: { nameErrors: pathSegmentErrors, createOnUpdate: true },
  columns: [nameColumn, createdAtColumn],
});

/** The RoleBinding kind. */
export const roleBindingKind = kind({
  group,
  version,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
  description: 'RoleBinding gives a role to subjects within one namespace.',
  required: ['roleRef'],
  fields: { roleRef, subjects },
  behaviour: {
    nameErrors: pathSegmentErrors,
    createOnUpdate: true,
    prepareCreate: fillGroups,
    prepareUpdate: fillGroups,
    validate: validateBinding,
  },
  columns: bindingColumns,
});

/** The ClusterRoleBinding kind. */
export const clusterRoleBindingKind = kind({
  group,
  version,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
  description: 'ClusterRoleBinding gives a ClusterRole to subjects in all namespaces.',
  required: ['roleRef'],
  fields: { roleRef, subjects },
  behaviour: {
    nameErrors: pathSegmentErrors,
    createOnUpdate: true,
    prepareCreate: fillGroups,
    prepareUpdate: fillGroups,
    validate: validateBinding,
  },
  columns: bindingColumns,
});
