/**
 * Nobody gives out more than he has: a role may only hold rules that its writer holds, a binding only a role whose rules its
 * writer holds, unless he has the verbs `escalate` or `bind`.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
import { equalJson, isRecord, type KubeObject } from '../../object.ts';
import type { WriteGuard } from '../../registry/context.ts';
import { forbidden, notFound } from '../../status.ts';
import type { ResourceTarget } from '../../wire/target.ts';
import type { Authorizer } from '../authorize.ts';
import type { User } from '../user.ts';
import { rulesHeld } from './authorizer.ts';
import { type Grants, rbacGroup } from './grants.ts';
import { missingRules, type PolicyRule, printRule, rulesOf } from './rules.ts';

const everything: PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** Makes the guard of creations, roles and bindings. */
export function createEscalationGuard(grants: Grants, authorize: Authorizer): WriteGuard {
  function may(user: User, verb: string, plural: string, { metadata }: KubeObject, name: string): boolean {
    const { namespace } = metadata;
    const target: ResourceTarget = {
      type: 'resource',
      path: '',
      group: rbacGroup,
      version: 'v1',
      resource: plural,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    };
    return authorize({ user, verb, target }).allowed;
  }

  function refuse(write: Parameters<WriteGuard>[0], wanted: readonly PolicyRule[]): void {
    const { user, served, object } = write;
    const missing = missingRules(rulesHeld(grants, user, object.metadata.namespace), wanted);
    if (missing?.length === 0) return;
    const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
    const list = missing === undefined ? 'more than can be told' : missing.map(printRule).join('\n');
    throw forbidden(
      served.resource,
      object.metadata.name ?? '',
      `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}`,
    );
  }

  function checkRole(write: Parameters<WriteGuard>[0]): void {
    const { served, user, object, old } = write;
    const unchanged =
      old !== undefined &&
      equalJson(object.rules ?? [], old.rules ?? []) &&
      equalJson(object.aggregationRule, old.aggregationRule);
    if (unchanged || may(user, 'escalate', served.resource.plural, object, object.metadata.name ?? ''))
      return;
    refuse(write, isRecord(object.aggregationRule) ? everything : rulesOf(object));
  }

  function checkBinding(write: Parameters<WriteGuard>[0]): void {
    const { user, object, old } = write;
    if (old !== undefined && equalJson(object.subjects ?? [], old.subjects ?? [])) return;
    const ref = isRecord(object.roleRef) ? object.roleRef : {};
    const plural = ref.kind === 'Role' ? 'roles' : 'clusterroles';
    const name = String(ref.name ?? '');
    if (may(user, 'bind', plural, object, name)) return;
    const rules = grants.role(ref.kind === 'Role' ? object.metadata.namespace : undefined, name);
    if (rules === undefined) throw notFound({ group: rbacGroup, plural }, name);
    refuse(write, rules);
  }

  /** Apply creates what is missing, and was only authorized as a patch. */
  function checkCreate({ served, user, object, old }: Parameters<WriteGuard>[0]): void {
    if (old !== undefined) return;
    const { group, version, plural } = served.resource;
    const { namespace, name = '' } = object.metadata;
    const target: ResourceTarget = {
      type: 'resource',
      path: '',
      group,
      version,
      resource: plural,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    };
    if (authorize({ user, verb: 'create', target }).allowed) return;
    throw forbidden(
      served.resource,
      name,
      `User ${JSON.stringify(user.name)} cannot create resource ${JSON.stringify(plural)}`,
    );
  }

  return (write) => {
    checkCreate(write);
    const { group, plural } = write.served.resource;
    if (group !== rbacGroup) return;
    if (plural === 'roles' || plural === 'clusterroles') checkRole(write);
    else checkBinding(write);
  };
}
