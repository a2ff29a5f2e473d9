/** Aggregation of ClusterRoles: which rules a role gathers from the roles its selectors match. Pure. */
import { isRecord, type KubeObject } from '../../object.ts';
import { type LabelRequirement, matchesLabels } from '../../selection/labels.ts';
import type { PolicyRule } from './rules.ts';

/** A ClusterRole with its rules read. */
export type LabelledRole = KubeObject & { rules: readonly PolicyRule[] };

/** The rules `role` should have, in the order of the names of the roles they come from; undefined when it gathers none. */
export function gathered(role: KubeObject, all: readonly LabelledRole[]): PolicyRule[] | undefined {
  if (!isRecord(role.aggregationRule)) return undefined;
  const listed = role.aggregationRule.clusterRoleSelectors;
  const selectors = (Array.isArray(listed) ? listed.filter(isRecord) : []).map(requirementsOf);
  const sources = all
    .filter(({ metadata }) => metadata.name !== role.metadata.name)
    .filter(({ metadata }) =>
      selectors.some((selector) => selector !== undefined && matchesLabels(selector, metadata.labels)),
    )
    .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  const rules = new Map(
    sources.flatMap((source) => source.rules.map((rule) => [JSON.stringify(rule), rule])),
  );
  return [...rules.values()];
}

/** metav1.LabelSelector as requirements; undefined for one that is malformed, which matches nothing. */
function requirementsOf(selector: Record<string, unknown>): LabelRequirement[] | undefined {
  const labels = isRecord(selector.matchLabels) ? Object.entries(selector.matchLabels) : [];
  const expressions = Array.isArray(selector.matchExpressions)
    ? selector.matchExpressions.filter(isRecord)
    : [];
  const requirements: LabelRequirement[] = labels.map(([key, value]) => ({
    key,
    operator: 'In',
    values: [String(value)],
  }));
  for (const { key, operator, values } of expressions) {
    const listed = Array.isArray(values) ? values.map(String) : [];
    if (operator === 'In' || operator === 'NotIn')
      requirements.push({ key: String(key), operator, values: listed });
    else if (operator === 'Exists' || operator === 'DoesNotExist')
      requirements.push({ key: String(key), operator });
    else return undefined;
  }
  return requirements;
}
