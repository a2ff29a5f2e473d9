/** Policy rules of rbac.authorization.k8s.io: whether one allows a request, and whether a set of them holds another. */
import { equalJson, isRecord, type KubeObject } from '../../object.ts';
import type { RequestTarget } from '../../wire/target.ts';

/** rbac.authorization.k8s.io PolicyRule; absent lists are empty. */
export type PolicyRule = {
  verbs: readonly string[];
  apiGroups?: readonly string[];
  resources?: readonly string[];
  resourceNames?: readonly string[];
  nonResourceURLs?: readonly string[];
};

/** The rules of a Role or ClusterRole without empty lists; what is malformed is no rule. */
export function rulesOf(role: KubeObject): PolicyRule[] {
  const rules = Array.isArray(role.rules) ? role.rules.filter(isRecord) : [];
  return rules.map((rule) => ({
    ...listed('apiGroups', rule),
    ...listed('resources', rule),
    ...listed('resourceNames', rule),
    ...listed('nonResourceURLs', rule),
    verbs: strings(rule.verbs),
  }));
}

function listed<Name extends string>(name: Name, rule: Record<string, unknown>) {
  const items = strings(rule[name]);
  return items.length === 0 ? {} : ({ [name]: items } as { [key in Name]: string[] });
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** True when the rule allows this verb on this target. */
export function allows(rule: PolicyRule, verb: string, target: RequestTarget): boolean {
  if (!has(rule.verbs, verb)) return false;
  if (target.type === 'path') return (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, target.path));
  const { group, resource, subresource, name } = target;
  const names = rule.resourceNames ?? [];
  return (
    has(rule.apiGroups, group) &&
    resourceCovers(rule.resources ?? [], resource, subresource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

function has(list: readonly string[] | undefined, item: string): boolean {
  return list !== undefined && (list.includes('*') || list.includes(item));
}

/** `pods`, `pods/log`, `*` for everything, and a star before a slash for one subresource of everything. */
function resourceCovers(list: readonly string[], resource: string, subresource: string | undefined): boolean {
  if (list.includes('*')) return true;
  if (subresource === undefined) return list.includes(resource);
  return list.includes(`${resource}/${subresource}`) || list.includes(`*/${subresource}`);
}

function urlCovers(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1));
}

/** Lists of a hostile role multiply; a role of a person has a few hundred combinations. */
const combinationLimit = 50_000;
/** So many are enough to be told. */
const reportLimit = 20;

/**
 * The rules among `wanted` that `owned` do not hold, each cut down to one verb on one thing, the first few of them. Empty:
 * nothing is gained. Undefined: there are too many combinations to tell.
 */
export function missingRules(
  owned: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): PolicyRule[] | undefined {
  const missing: PolicyRule[] = [];
  let budget = combinationLimit;
  for (const rule of wanted) {
    if (owned.some((own) => equalJson(own, rule))) continue;
    for (const atom of atomsOf(rule)) {
      if (--budget < 0) return undefined;
      if (!owned.some((own) => holds(own, atom))) missing.push(atom);
      if (missing.length >= reportLimit) return missing;
    }
  }
  return missing;
}

/** A rule as all its combinations of single values. */
function* atomsOf(rule: PolicyRule): Generator<PolicyRule> {
  const names = rule.resourceNames ?? [];
  for (const verb of rule.verbs) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const atom = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (names.length === 0) yield atom;
        for (const name of names) yield { ...atom, resourceNames: [name] };
      }
    }
    for (const url of rule.nonResourceURLs ?? []) yield { verbs: [verb], nonResourceURLs: [url] };
  }
}

/** True when the rule alone gives all that the single-valued rule gives. */
function holds(rule: PolicyRule, atom: PolicyRule): boolean {
  if (!has(rule.verbs, atom.verbs[0] ?? '')) return false;
  const [url] = atom.nonResourceURLs ?? [];
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => urlCovers(pattern, url));
  const [resource = '', subresource] = (atom.resources?.[0] ?? '').split('/');
  const [name] = atom.resourceNames ?? [];
  const names = rule.resourceNames ?? [];
  return (
    has(rule.apiGroups, atom.apiGroups?.[0] ?? '') &&
    resourceCovers(rule.resources ?? [], resource, subresource) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
}

/** A rule as kube-apiserver's refusals print it. */
export function printRule(rule: PolicyRule): string {
  const list = (items: readonly string[]) => `[${items.map((item) => JSON.stringify(item)).join(' ')}]`;
  const parts: [string, readonly string[] | undefined][] = [
    ['APIGroups', rule.apiGroups],
    ['Resources', rule.resources],
    ['ResourceNames', rule.resourceNames],
    ['NonResourceURLs', rule.nonResourceURLs],
    ['Verbs', rule.verbs],
  ];
  const written = parts.flatMap(([name, items]) =>
    items === undefined || items.length === 0 ? [] : [`${name}:${list(items)}`],
  );
  return `{${written.join(', ')}}`;
}
