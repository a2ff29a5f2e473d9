/** Answers of authorization.k8s.io: may this user do that, and what may I do here? */
import { isRecord, type KubeObject } from '../../object.ts';
import { badRequest, invalid } from '../../status.ts';
import type { RequestTarget } from '../../wire/target.ts';
import type { Authorizer } from '../authorize.ts';
import { rulesHeld } from '../rbac/authorizer.ts';
import type { Grants } from '../rbac/grants.ts';
import type { PolicyRule } from '../rbac/rules.ts';
import type { User } from '../user.ts';
import type { Answer } from './questions.ts';

type Fields = Record<string, unknown>;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function specOf(object: KubeObject): Fields {
  return isRecord(object.spec) ? object.spec : {};
}

/** SelfSubjectAccessReview. */
export function answerSelfAccess(authorize: Authorizer): Answer {
  return ({ user, object }) => decided(object, authorize, user);
}

/** SubjectAccessReview and, where the request names a namespace, LocalSubjectAccessReview. */
export function answerAccess(authorize: Authorizer): Answer {
  return ({ object, target }) => {
    const spec = specOf(object);
    if (target.namespace !== undefined) checkLocal(object, target.namespace);
    const groups = Array.isArray(spec.groups) ? spec.groups.map(String) : [];
    const name = textOf(spec.user);
    if (name === '' && groups.length === 0) {
      throw refused(
        object,
        'spec.user',
        'FieldValueRequired',
        'Required value: at least one of user or group must be specified',
      );
    }
    return decided(object, authorize, { name, groups });
  };
}

function checkLocal(object: KubeObject, namespace: string): void {
  const { resourceAttributes } = specOf(object);
  const asked = isRecord(resourceAttributes) ? textOf(resourceAttributes.namespace) : '';
  if (asked === namespace) return;
  throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
}

function decided(object: KubeObject, authorize: Authorizer, user: User): KubeObject {
  const { verb, target } = askedFor(object);
  const { allowed, reason } = authorize({ user, verb, target });
  return { ...object, status: { allowed, ...(reason === '' ? {} : { reason }) } };
}

function askedFor(object: KubeObject): { verb: string; target: RequestTarget } {
  const { resourceAttributes: resource, nonResourceAttributes: path } = specOf(object);
  if (isRecord(resource) === isRecord(path)) {
    const message =
      'Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified';
    throw refused(object, 'spec.resourceAttributes', 'FieldValueInvalid', message);
  }
  if (isRecord(path)) return { verb: textOf(path.verb), target: { type: 'path', path: textOf(path.path) } };
  const asked = isRecord(resource) ? resource : {};
  return { verb: textOf(asked.verb), target: targetOf(asked) };
}

function targetOf(asked: Fields): RequestTarget {
  const optional = (name: string) => (textOf(asked[name]) === '' ? {} : { [name]: textOf(asked[name]) });
  return {
    type: 'resource',
    path: '',
    group: textOf(asked.group),
    version: textOf(asked.version),
    resource: textOf(asked.resource),
    ...optional('namespace'),
    ...optional('name'),
    ...optional('subresource'),
  };
}

function refused(
  object: KubeObject,
  field: string,
  type: 'FieldValueRequired' | 'FieldValueInvalid',
  message: string,
) {
  return invalid({ group: 'authorization.k8s.io', kind: object.kind }, '', [{ type, field, message }]);
}

/** SelfSubjectRulesReview: what `kubectl auth can-i --list` prints. */
export function answerRules(grants: Grants): Answer {
  return ({ user, object }) => {
    const namespace = textOf(specOf(object).namespace);
    if (namespace === '') throw badRequest('no namespace on request');
    const rules: readonly PolicyRule[] = rulesHeld(grants, user, namespace);
    const resourceRules = rules
      .filter(({ resources = [] }) => resources.length > 0)
      .map(({ verbs, apiGroups, resources, resourceNames }) => ({
        verbs,
        apiGroups,
        resources,
        ...(resourceNames === undefined ? {} : { resourceNames }),
      }));
    const nonResourceRules = rules
      .filter(({ nonResourceURLs = [] }) => nonResourceURLs.length > 0)
      .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }));
    return { ...object, status: { resourceRules, nonResourceRules, incomplete: false } };
  };
}
