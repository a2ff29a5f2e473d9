/**
 * The cost limits of CEL rules in definitions: a rule that could keep the server busy for long is refused when it is installed,
 * with the limits and the words of kube-apiserver (apiextensions, validation.go).
 */

import type { FieldError, JsonSchema } from '../../schema/contract.ts';
import { estimateRuleCosts, type RuleCost } from '../../schema/cost.ts';
import { forbidden } from '../../schema/errors.ts';

/** StaticEstimatedCostLimit and StaticEstimatedCRDCostLimit. */
const ruleLimit = 10_000_000;
const schemaLimit = 100_000_000;

/** The rules of a schema that cost too much, and the schema when all of them together do. `path` is where the schema stands. */
export function checkRuleCosts(schema: JsonSchema, path: string): FieldError[] {
  const costs = estimateRuleCosts(schema);
  const places = rulePlaces(schema, path);
  const total = costs.reduce((sum, { cost }) => sum + cost, 0);
  return [
    ...costs.flatMap(({ cost }, index) => {
      const place = places[index];
      if (cost <= ruleLimit || place === undefined) return [];
      const what = place.endsWith('.messageExpression') ? 'messageExpression' : 'rule';
      return [forbidden(place, overBudget(`estimated ${what} cost`, cost, ruleLimit))];
    }),
    ...(total <= schemaLimit
      ? []
      : [
          ...mostExpensive(costs, places).map((place) =>
            forbidden(
              place,
              'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
            ),
          ),
          forbidden(
            path,
            overBudget(
              'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema',
              total,
              schemaLimit,
            ),
          ),
        ]),
  ];
}

/** The four places that cost most, the dearest first. */
function mostExpensive(costs: readonly RuleCost[], places: readonly string[]): string[] {
  return costs
    .map(({ cost }, index) => ({ cost, place: places[index] ?? '' }))
    .filter(({ cost }) => cost > 0)
    .sort((a, b) => b.cost - a.cost)
    .slice(0, 4)
    .map(({ place }) => place);
}

function overBudget(what: string, cost: number, limit: number): string {
  const times = cost / limit;
  const factor = times > 100 ? 'more than 100x' : `${times < 1.5 ? times.toFixed(6) : times.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

/** Where the rules stand, in the order in which their costs are estimated. */
function rulePlaces(schema: JsonSchema, path: string): string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap(({ messageExpression }, index) => {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    return messageExpression === undefined ? [`${at}.rule`] : [`${at}.rule`, `${at}.messageExpression`];
  });
  const { additionalProperties } = schema;
  return [
    ...own,
    ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
      rulePlaces(child, `${path}.properties[${name}]`),
    ),
    ...(schema.items ? rulePlaces(schema.items, `${path}.items`) : []),
    ...(typeof additionalProperties === 'object'
      ? rulePlaces(additionalProperties, `${path}.additionalProperties`)
      : []),
  ];
}
