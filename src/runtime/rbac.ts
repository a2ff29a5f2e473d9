/** RBAC rules from what controllers declare, so that a role may do exactly what its controllers do. Pure. */
import { Event } from '../api/core.ts';
import type { KindRef } from '../api/meta.ts';
import type { Access, Declaration } from './contract.ts';

export type PolicyRule = {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
};

export type Rules = {
  /** For a ClusterRole. */
  cluster: PolicyRule[];
  /** For a Role in each of these namespaces. */
  namespaced: Record<string, PolicyRule[]>;
};

type Grant = { namespace: string; group: string; resource: string; names: readonly string[]; verb: string };

/** The order in which Kubernetes' own manifests name verbs. */
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'bind', 'approve', 'sign'];

function grantsOf(
  kind: Pick<KindRef, 'group' | 'plural'>,
  verbs: readonly string[],
  more: { subresource?: string; namespace?: string; names?: readonly string[] } = {},
): Grant[] {
  const { subresource, namespace = '', names = [] } = more;
  const resource = subresource === undefined ? kind.plural : `${kind.plural}/${subresource}`;
  return verbs.map((verb) => ({ namespace, group: kind.group, resource, names, verb }));
}

function accessOf({ kind, verbs, subresource, namespace, names }: Access): Grant[] {
  return grantsOf(kind, verbs, {
    ...(subresource === undefined ? {} : { subresource }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(names === undefined ? {} : { names }),
  });
}

function grantsOfController(declaration: Declaration): Grant[] {
  const { kind, writes, access = [], finalizer, triggers = [] } = declaration;
  const reads = [kind, ...triggers.flatMap((trigger) => trigger.kind ?? [])];
  const writesStatus = writes.some((path) => path === 'status' || path.startsWith('status.'));
  const writesObject = finalizer !== undefined || writes.some((path) => path.startsWith('metadata'));
  return [
    ...reads.flatMap((read) => grantsOf(read, ['get', 'list', 'watch'])),
    ...(writesObject ? grantsOf(kind, ['patch']) : []),
    ...(writesStatus ? grantsOf(kind, ['patch'], { subresource: 'status' }) : []),
    ...grantsOf(Event, ['create', 'patch']),
    ...access.flatMap(accessOf),
  ];
}

/** One rule per group and set of verbs, all in a constant order: generated files must not change by themselves. */
function rulesOf(grants: readonly Grant[]): PolicyRule[] {
  const verbsOf = new Map<string, Set<string>>();
  for (const { group, resource, names, verb } of grants) {
    const id = JSON.stringify([group, resource, names]);
    verbsOf.set(id, (verbsOf.get(id) ?? new Set()).add(verb));
  }
  const rules = new Map<string, PolicyRule>();
  for (const [id, granted] of [...verbsOf].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [group, resource, names] = JSON.parse(id) as [string, string, string[]];
    const verbs = VERBS.filter((verb) => granted.has(verb));
    const same = `${group} ${verbs} ${names}`;
    const limit = names.length === 0 ? {} : { resourceNames: names };
    const rule = rules.get(same) ?? { apiGroups: [group], resources: [], ...limit, verbs };
    rule.resources.push(resource);
    rules.set(same, rule);
  }
  return [...rules.values()];
}

/** The rules that the controllers of one role need; `extra` is what the role does beside them. */
export function rbacRules(declarations: readonly Declaration[], extra: readonly Access[] = []): Rules {
  const grants = [...declarations.flatMap(grantsOfController), ...extra.flatMap(accessOf)];
  const everywhere = new Set(
    grants
      .filter(({ namespace }) => namespace === '')
      .map(({ group, resource, names, verb }) => `${group} ${resource} ${names} ${verb}`),
  );
  const namespaces = [...new Set(grants.map(({ namespace }) => namespace))]
    .filter((name) => name !== '')
    .sort();
  const inside = (namespace: string): Grant[] =>
    grants.filter(
      (grant) =>
        grant.namespace === namespace &&
        !everywhere.has(`${grant.group} ${grant.resource} ${grant.names} ${grant.verb}`),
    );
  const entries = namespaces.map((namespace) => [namespace, rulesOf(inside(namespace))] as const);
  return {
    cluster: rulesOf(grants.filter(({ namespace }) => namespace === '')),
    namespaced: Object.fromEntries(entries.filter(([, rules]) => rules.length > 0)),
  };
}
