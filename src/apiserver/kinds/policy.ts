/** ValidatingAdmissionPolicy and its binding: which may be stored; the admission room holds writes to them. */
import type { FieldError } from '../../schema/contract.ts';
import { invalid, required, unsupported } from '../../schema/errors.ts';
import { createCompiler } from '../admission/expressions.ts';
import { expressionsOf } from '../admission/policy.ts';
import { labelKeyErrors } from '../metadata/names.ts';
import { isRecord, type KubeObject } from '../object.ts';
import type { KindSchema } from '../resource.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { conditions, keyedBy, labelSelector, listOf, record, setOf, text } from './schema.ts';

const group = 'admissionregistration.k8s.io';
const version = 'v1';
const names = (description: string) => listOf(text('A name; "*" stands for all.'), description);

const ruleFields: { [name: string]: KindSchema } = {
  apiGroups: names('The groups.'),
  apiVersions: names('The versions.'),
  operations: names('CREATE, UPDATE, DELETE, CONNECT or *.'),
  resources: names('The resources, with subresources after a slash.'),
  resourceNames: names('The objects; empty means all.'),
  scope: text('Cluster, Namespaced or *.'),
};

const matchResources = record('Which requests are looked at.', {
  namespaceSelector: labelSelector('The namespaces.'),
  objectSelector: labelSelector('The objects.'),
  resourceRules: listOf(record('A rule.', ruleFields), 'Rules that choose requests.'),
  excludeResourceRules: listOf(record('A rule.', ruleFields), 'Rules that leave requests out.'),
  matchPolicy: text('Exact or Equivalent.'),
});

const expression = (description: string) => text(description);

function specOf(object: KubeObject): Record<string, unknown> {
  return isRecord(object.spec) ? object.spec : {};
}

/** Every expression must compile, so that no stored policy can only fail. */
function validatePolicy(object: KubeObject): FieldError[] {
  const compile = createCompiler();
  const { validations, auditAnnotations, failurePolicy } = specOf(object);
  const count = (list: unknown) => (Array.isArray(list) ? list.length : 0);
  return [
    ...(count(validations) + count(auditAnnotations) > 0
      ? []
      : [required('spec.validations', 'validations or auditAnnotations must be non-empty')]),
    ...(failurePolicy === 'Fail' || failurePolicy === 'Ignore'
      ? []
      : [unsupported('spec.failurePolicy', failurePolicy, ['Fail', 'Ignore'])]),
    ...auditKeyFaults(object, auditAnnotations),
    ...expressionsOf(object).flatMap(({ field, source }) => {
      try {
        compile(source);
        return [];
      } catch (error) {
        return [invalid(field, source, error instanceof Error ? error.message : String(error))];
      }
    }),
  ];
}

/** The audit log knows them as `POLICY/KEY`, which must be a qualified name. */
function auditKeyFaults({ metadata }: KubeObject, annotations: unknown): FieldError[] {
  const list: unknown[] = Array.isArray(annotations) ? annotations : [];
  return list.filter(isRecord).flatMap(({ key = '', valueExpression = '' }, index) => {
    const at = `spec.auditAnnotations[${index}]`;
    const name = `${metadata.name}/${key}`;
    return [
      ...labelKeyErrors(name).map((why) => invalid(`${at}.key`, name, why)),
      ...(valueExpression === ''
        ? [required(`${at}.valueExpression`, 'valueExpression is not specified')]
        : []),
    ];
  });
}

/** What a failed validation may lead to. */
const actions = ['Deny', 'Warn', 'Audit'];

function validateBinding(object: KubeObject): FieldError[] {
  const { policyName, validationActions, paramRef } = specOf(object);
  const wanted: unknown[] = Array.isArray(validationActions) ? validationActions : [];
  const notFound = isRecord(paramRef) ? paramRef.parameterNotFoundAction : 'Deny';
  return [
    ...(typeof policyName === 'string' && policyName !== '' ? [] : [required('spec.policyName')]),
    ...(wanted.length > 0
      ? []
      : [required('spec.validationActions', 'at least one validation action is required')]),
    ...wanted.flatMap((action, index) =>
      actions.includes(String(action))
        ? []
        : [unsupported(`spec.validationActions[${index}]`, action, actions)],
    ),
    ...(notFound === 'Allow' || notFound === 'Deny'
      ? []
      : [unsupported('spec.paramRef.parameterNotFoundAction', notFound, ['Allow', 'Deny'])]),
  ];
}

/** The ValidatingAdmissionPolicy kind. */
export const admissionPolicyKind = kind({
  group,
  version,
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
  description: 'ValidatingAdmissionPolicy accepts or refuses requests by CEL expressions.',
  status: true,
  fields: {
    spec: record('The policy.', {
      paramKind: record('The kind of the parameters.', {
        apiVersion: text('Group and version.'),
        kind: text('The kind.'),
      }),
      matchConstraints: matchResources,
      validations: listOf(
        record(
          'One check.',
          {
            expression: expression('True when the request may pass.'),
            message: text('Said when it may not.'),
            messageExpression: expression('Makes the message.'),
            reason: text('The reason in the answer.'),
          },
          { required: ['expression'] },
        ),
        'All must hold.',
      ),
      failurePolicy: text('Fail or Ignore.'),
      auditAnnotations: listOf(
        record('An annotation of the audit log.', {
          key: text('Its key.'),
          valueExpression: expression('Its value.'),
        }),
        'What is written to the audit log.',
      ),
      matchConditions: keyedBy(
        'name',
        record(
          'A condition.',
          { name: text('Its name.'), expression: expression('True when the policy applies.') },
          { required: ['name', 'expression'] },
        ),
        'All must hold for the policy to apply.',
      ),
      variables: keyedBy(
        'name',
        record(
          'A variable.',
          { name: text('Its name.'), expression: expression('Its value.') },
          { required: ['name', 'expression'] },
        ),
        'Values other expressions may use.',
      ),
    }),
    status: record('What was found in the policy.', {
      observedGeneration: { type: 'integer', format: 'int64', description: 'The generation looked at.' },
      typeChecking: record('Type checks.', {
        expressionWarnings: listOf(
          record('A warning.', { fieldRef: text('Where.'), warning: text('What.') }),
          'Warnings.',
        ),
      }),
      conditions: conditions('The state of the policy.'),
    }),
  },
  behaviour: {
    generation: true,
    unconditionalUpdate: false,
    validate: validatePolicy,
    prepareCreate: (object) => {
      object.spec = { failurePolicy: 'Fail', ...specOf(object) };
    },
  },
  columns: [
    nameColumn,
    column('Validations', (object) => {
      const { validations } = specOf(object);
      return Array.isArray(validations) ? validations.length : 0;
    }),
    column('ParamKind', (object) => {
      const { paramKind } = specOf(object);
      return isRecord(paramKind) ? `${paramKind.apiVersion}/${paramKind.kind}` : '<unset>';
    }),
    ageColumn,
  ],
});

/** The ValidatingAdmissionPolicyBinding kind. */
export const admissionBindingKind = kind({
  group,
  version,
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
  description: 'ValidatingAdmissionPolicyBinding says where a policy applies and with which parameters.',
  fields: {
    spec: record('The binding.', {
      policyName: text('The policy.'),
      paramRef: record('The parameters.', {
        name: text('The object.'),
        namespace: text('Its namespace.'),
        selector: labelSelector('Objects by labels instead of a name.'),
        parameterNotFoundAction: text('Allow or Deny.'),
      }),
      matchResources,
      validationActions: setOf(text('Deny, Warn or Audit.'), 'What a failed check leads to.'),
    }),
  },
  behaviour: { generation: true, unconditionalUpdate: false, validate: validateBinding },
  columns: [
    nameColumn,
    column('PolicyName', (object) => String(specOf(object).policyName ?? '')),
    column('ParamRef', (object) => {
      const { paramRef } = specOf(object);
      if (!isRecord(paramRef)) return '<unset>';
      return paramRef.namespace === undefined ? `${paramRef.name}` : `${paramRef.namespace}/${paramRef.name}`;
    }),
    ageColumn,
  ],
});
