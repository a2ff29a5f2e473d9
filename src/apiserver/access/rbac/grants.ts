/**
 * Who holds which rules: roles and bindings of the store, kept by subject, so that a decision looks at one user's bindings
 * and not at all of them. A change counts before the write that made it is answered.
 */
import type { Change, Store } from '../../../store/contract.ts';
import { partsOf, prefixOf } from '../../catalog/keys.ts';
import { isRecord, type KubeObject } from '../../object.ts';
import { bufferOf } from '../../registry/codec.ts';
import type { User } from '../user.ts';
import { type PolicyRule, rulesOf } from './rules.ts';

/** The API group of roles and bindings. */
export const rbacGroup = 'rbac.authorization.k8s.io';

/** A binding as far as it is about one role. */
type Binding = { namespace: string | undefined; name: string; roleKey: string; subjects: readonly string[] };

/** A role that a user holds by a binding. `rules` is undefined where the role does not exist. */
export type Grant = { rules: readonly PolicyRule[] | undefined; why: string; role: string };

/** The index. */
export type Grants = {
  /** What the user holds in all namespaces and, given one, in that namespace. */
  of(user: User, namespace: string | undefined): Grant[];
  /** The rules of a role, or of a ClusterRole when there is no namespace; undefined when it does not exist. */
  role(namespace: string | undefined, name: string): readonly PolicyRule[] | undefined;
  /** Grows with each change of a role or binding: decisions are good for one generation. */
  generation(): number;
  close(): void;
};

const prefixes = {
  role: prefixOf(rbacGroup, 'roles'),
  clusterRole: prefixOf(rbacGroup, 'clusterroles'),
  roleBinding: prefixOf(rbacGroup, 'rolebindings'),
  clusterRoleBinding: prefixOf(rbacGroup, 'clusterrolebindings'),
};

/** Reads all roles and bindings and follows their changes. */
export function createGrants(store: Store): Grants {
  const roles = new Map<string, readonly PolicyRule[]>();
  const bindings = new Map<string, Binding>();
  const bySubject = new Map<string, Set<Binding>>();
  let generation = 0;

  function forget(key: string): void {
    roles.delete(key);
    const binding = bindings.get(key);
    bindings.delete(key);
    for (const subject of binding?.subjects ?? []) {
      const peers = bySubject.get(scoped(binding?.namespace, subject));
      if (binding !== undefined) peers?.delete(binding);
      if (peers?.size === 0) bySubject.delete(scoped(binding?.namespace, subject));
    }
  }

  function learn(key: string, value: Uint8Array): void {
    forget(key);
    const object = JSON.parse(bufferOf(value).toString('utf8')) as KubeObject;
    if (key.startsWith(prefixes.role) || key.startsWith(prefixes.clusterRole)) {
      roles.set(key, rulesOf(object));
      return;
    }
    const binding = bindingOf(key, object);
    bindings.set(key, binding);
    for (const subject of binding.subjects) {
      const place = scoped(binding.namespace, subject);
      bySubject.set(place, (bySubject.get(place) ?? new Set()).add(binding));
    }
  }

  function follow(changes: readonly Change[]): void {
    for (const change of changes) {
      if (!Object.values(prefixes).some((prefix) => change.key.startsWith(prefix))) continue;
      generation++;
      if (change.type === 'put') learn(change.key, change.value);
      else forget(change.key);
    }
  }

  const unsubscribe = store.subscribe(follow);
  for (const prefix of Object.values(prefixes)) {
    for (const { key, value } of store.range({ prefix }).entries) learn(key, value);
  }

  return {
    of: (user, namespace) => {
      const subjects = subjectsOf(user);
      const scopes = namespace === undefined ? [undefined] : [undefined, namespace];
      return scopes.flatMap((scope) =>
        subjects.flatMap((subject) =>
          [...(bySubject.get(scoped(scope, subject)) ?? [])].map((binding) =>
            grantOf(binding, subject, roles.get(binding.roleKey)),
          ),
        ),
      );
    },
    role: (namespace, name) => roles.get(keyOfRole(namespace, name)),
    generation: () => generation,
    close: unsubscribe,
  };
}

function scoped(namespace: string | undefined, subject: string): string {
  return `${namespace ?? ''}|${subject}`;
}

function keyOfRole(namespace: string | undefined, name: string): string {
  return namespace === undefined ? prefixes.clusterRole + name : `${prefixes.role}${namespace}/${name}`;
}

/** The name of the user that a service account is. */
export function accountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function subjectsOf({ name, groups }: User): string[] {
  return [`User ${JSON.stringify(name)}`, ...groups.map((group) => `Group ${JSON.stringify(group)}`)];
}

function bindingOf(key: string, object: KubeObject): Binding {
  const isCluster = key.startsWith(prefixes.clusterRoleBinding);
  const { namespace, name } = partsOf(isCluster ? prefixes.clusterRoleBinding : prefixes.roleBinding, key);
  const ref = isRecord(object.roleRef) ? object.roleRef : {};
  const roleKey = keyOfRole(ref.kind === 'Role' ? namespace : undefined, String(ref.name ?? ''));
  const subjects = Array.isArray(object.subjects) ? object.subjects.filter(isRecord) : [];
  return { namespace, name, roleKey, subjects: subjects.flatMap((subject) => subjectOf(subject, namespace)) };
}

function subjectOf(subject: Record<string, unknown>, home: string | undefined): string[] {
  const name = String(subject.name ?? '');
  if (subject.kind === 'User' || subject.kind === 'Group') return [`${subject.kind} ${JSON.stringify(name)}`];
  const namespace = typeof subject.namespace === 'string' ? subject.namespace : (home ?? '');
  if (subject.kind !== 'ServiceAccount' || namespace === '') return [];
  return [`User ${JSON.stringify(accountUser(namespace, name))}`];
}

function grantOf(binding: Binding, subject: string, rules: readonly PolicyRule[] | undefined): Grant {
  const isCluster = binding.roleKey.startsWith(prefixes.clusterRole);
  const { name } = partsOf(isCluster ? prefixes.clusterRole : prefixes.role, binding.roleKey);
  const role = `${isCluster ? 'clusterrole' : 'role'}.${rbacGroup} ${JSON.stringify(name)}`;
  const kind = binding.namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding';
  const where = binding.namespace === undefined ? binding.name : `${binding.name}/${binding.namespace}`;
  const roleText = `${isCluster ? 'ClusterRole' : 'Role'} ${JSON.stringify(name)}`;
  return {
    rules,
    role,
    why: `RBAC: allowed by ${kind} ${JSON.stringify(where)} of ${roleText} to ${subject}`,
  };
}
