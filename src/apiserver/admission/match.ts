/** Which writes a policy, a binding or a webhook is about: its rules on operations and resources, and its selectors. */
import { keyOf, prefixOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { bufferOf } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { type LabelSelector, matchesLabels, parseLabelSelector } from '../selection/labels.ts';
import type { AdmissionRequest } from './request.ts';

const namespacePrefix = prefixOf('', 'namespaces');

/** The namespace a write is in; undefined for those of the whole cluster. */
export function namespaceOf(context: Context, request: AdmissionRequest): KubeObject | undefined {
  const { resource } = request.served;
  const isNamespace = resource.group === '' && resource.plural === 'namespaces';
  if (isNamespace && request.object !== undefined) return request.object;
  const name = isNamespace ? request.name : request.namespace;
  if (name === undefined) return undefined;
  const entry = context.store.get(keyOf(namespacePrefix, undefined, name));
  if (entry === undefined) return undefined;
  return JSON.parse(bufferOf(entry.value).toString('utf8')) as KubeObject;
}

/** The version in which MatchResources of a policy or binding match a write, if any; absent constraints match everything. */
export function matchedResources(
  context: Context,
  request: AdmissionRequest,
  constraints: unknown,
): Served | undefined {
  if (!isRecord(constraints)) return request.served;
  const { resourceRules, excludeResourceRules, matchPolicy } = constraints;
  const homes = homesOf(context, request, matchPolicy);
  const rules = listOf(resourceRules);
  const home = rules.length === 0 ? request.served : matchedHome(request, rules, homes);
  const isExcluded = matchedHome(request, listOf(excludeResourceRules), homes) !== undefined;
  return isExcluded || !matchesSelectors(context, request, constraints) ? undefined : home;
}

/** The namespaceSelector and objectSelector of a policy, binding or webhook. */
export function matchesSelectors(
  context: Context,
  request: AdmissionRequest,
  { namespaceSelector, objectSelector }: Record<string, unknown>,
): boolean {
  return matchesObjects(request, objectSelector) && matchesNamespace(context, request, namespaceSelector);
}

function matchesObjects({ object, old }: AdmissionRequest, selector: unknown): boolean {
  if (isEmpty(selector)) return true;
  const wanted = selectorOf(selector);
  return [object, old].some((one) => one !== undefined && matchesLabels(wanted, one.metadata.labels));
}

function matchesNamespace(context: Context, request: AdmissionRequest, selector: unknown): boolean {
  if (isEmpty(selector)) return true;
  const { resource } = request.served;
  const concerned = resource.namespaced || (resource.group === '' && resource.plural === 'namespaces');
  // What lies in no namespace is looked at whatever the selector says.
  if (!concerned) return true;
  return matchesLabels(selectorOf(selector), namespaceOf(context, request)?.metadata.labels);
}

/**
 * As what a write can be named in rules: unless only exact matches are wanted, under each version that shows the same objects, so
 * that no rule is passed by through another version.
 */
export function homesOf(
  { catalog }: Context,
  { served }: AdmissionRequest,
  matchPolicy: unknown,
): readonly Served[] {
  if (matchPolicy === 'Exact') return [served];
  const others = catalog
    .all()
    .filter(
      (other) => other !== served && other.prefix === served.prefix && other.behaviour.view === undefined,
    );
  return [served, ...others];
}

/** The first of `homes` as which a rule names the write; its own version comes before all others. */
export function matchedHome(
  request: AdmissionRequest,
  rules: readonly unknown[],
  homes: readonly Served[],
): Served | undefined {
  return homes.find((home) => rules.some((rule) => matchesRule(request, rule, home)));
}

/** One rule: RuleWithOperations, with resourceNames where policies have them. */
function matchesRule(request: AdmissionRequest, rule: unknown, home: Served): boolean {
  if (!isRecord(rule)) return false;
  const names = textsOf(rule.resourceNames);
  const scope = rule.scope ?? '*';
  const { group, version, plural } = home.resource;
  return (
    includes(rule.operations, request.operation) &&
    (names.length === 0 || names.includes(request.name)) &&
    (scope === '*' || (scope === 'Namespaced') === request.served.resource.namespaced) &&
    includes(rule.apiGroups, group) &&
    includes(rule.apiVersions, version) &&
    textsOf(rule.resources).some((pattern) => matchesResource(pattern, plural, request.subresource))
  );
}

/** `*`, `plural`, `plural/sub`, `plural/*`, `*` + `/sub` or both. */
function matchesResource(pattern: string, plural: string, subresource: string | undefined): boolean {
  const [resource, sub] = pattern.split('/', 2);
  return (
    (resource === '*' || resource === plural) &&
    (sub === undefined ? subresource === undefined : sub === '*' || sub === subresource)
  );
}

function includes(list: unknown, value: string): boolean {
  const texts = textsOf(list);
  return texts.includes('*') || texts.includes(value);
}

/** A metav1.LabelSelector; throws for one that is malformed. */
export function selectorOf(selector: unknown): LabelSelector {
  if (!isRecord(selector)) return [];
  const { matchLabels, matchExpressions } = selector;
  const equal = isRecord(matchLabels)
    ? Object.entries(matchLabels).map(([key, value]) => `${key}=${String(value)}`)
    : [];
  return parseLabelSelector([...equal, ...listOf(matchExpressions).map(expressionText)].join(','));
}

function expressionText(expression: unknown): string {
  if (!isRecord(expression)) throw new Error('malformed label selector');
  const { key, operator } = expression;
  const values = textsOf(expression.values).join(',');
  switch (operator) {
    case 'In':
      return `${key} in (${values})`;
    case 'NotIn':
      return `${key} notin (${values})`;
    case 'Exists':
      return String(key);
    case 'DoesNotExist':
      return `!${key}`;
    default:
      throw new Error(`${String(operator)} is not a valid label selector operator`);
  }
}

function isEmpty(selector: unknown): boolean {
  if (!isRecord(selector)) return true;
  const { matchLabels, matchExpressions } = selector;
  return (
    (!isRecord(matchLabels) || Object.keys(matchLabels).length === 0) && listOf(matchExpressions).length === 0
  );
}

/** The items of a list; none of anything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}
