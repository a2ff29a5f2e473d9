/**
 * An estimate of what CEL rules cost in kube-apiserver's units, so that our schemas are accepted there. It follows cel-go's estimator
 * (checker/cost.go) and Kubernetes' sizes: what has no bound counts as large as a request can be.
 */
import { createEnvironment } from './cel/environment.ts';
import { expressionCost } from './cel/expression-cost.ts';
import type { JsonSchema } from './contract.ts';
import { childPath } from './paths.ts';
import { maxSize } from './sizes.ts';

/** `cost` is of one validation of a whole object: the rule's own times how often its place can occur. */
export type RuleCost = { path: string; rule: string; cost: number };

/** The cost of each rule and each message expression of a schema. Throws for one that does not parse. */
export function estimateRuleCosts(schema: JsonSchema): RuleCost[] {
  const environment = createEnvironment();
  const costs: RuleCost[] = [];
  const add = (at: JsonSchema, path: string, expression: string, times: number) =>
    costs.push({
      path,
      rule: expression,
      cost: Math.ceil(expressionCost(environment, expression, at) * times),
    });
  eachPlace(schema, '', 1, (at, path, times) => {
    for (const { rule, messageExpression } of at['x-kubernetes-validations'] ?? []) {
      add(at, path, rule, times);
      if (messageExpression !== undefined) add(at, path, messageExpression, times);
    }
  });
  return costs;
}

/** Visits each place of a schema with how often it can occur in one object. */
function eachPlace(
  schema: JsonSchema,
  path: string,
  times: number,
  use: (schema: JsonSchema, path: string, times: number) => void,
): void {
  use(schema, path, times);
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    eachPlace(child, childPath(path, name), times, use);
  }
  const many = times * maxSize(schema);
  if (schema.items) eachPlace(schema.items, `${path}[*]`, many, use);
  if (typeof schema.additionalProperties === 'object') {
    eachPlace(schema.additionalProperties, `${path}[*]`, many, use);
  }
}
