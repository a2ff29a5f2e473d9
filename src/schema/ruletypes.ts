/**
 * Refuses rules that can never be evaluated for the types of their operands, as kube-apiserver does when a definition is installed. It is
 * asked of new schemas only: one that is stored already goes on working.
 */
import { checkExpression, type Variables } from './cel/check/checker.ts';
import { declaredType } from './cel/check/declared.ts';
import { bool, dyn, isSame, optionalOf, text } from './cel/check/type.ts';
import { createEnvironment } from './cel/environment.ts';
import { firstLine } from './cel/rules.ts';
import { parseTree } from './cel/tree.ts';
import type { FieldError, JsonSchema } from './contract.ts';
import { invalid } from './errors.ts';
import { childPath, keyPath } from './paths.ts';

const demands = {
  rule: { type: bool, otherwise: 'cel expression must evaluate to a bool' },
  messageExpression: { type: text, otherwise: 'messageExpression must evaluate to a string' },
} as const;

/** The faults of the rules and the expressions of their messages. `path` is where the schema of a resource stands. */
export function checkRuleTypes(schema: JsonSchema, path: string): FieldError[] {
  const environment = createEnvironment();
  const errors: FieldError[] = [];
  const judge = (name: keyof typeof demands, source: string, field: string, variables: Variables): void => {
    const { type, otherwise } = demands[name];
    try {
      const result = checkExpression(parseTree(environment, source), variables);
      if (!isSame(result, type)) errors.push(invalid(field, source, otherwise));
    } catch (error) {
      errors.push(invalid(field, source, `compilation failed: ${firstLine(error)}`));
    }
  };
  const check = (at: JsonSchema, isResource: boolean, place: string): void => {
    const rules = at['x-kubernetes-validations'] ?? [];
    const self = rules.length > 0 ? (declaredType(at, 'selfType', isResource) ?? dyn) : dyn;
    for (const [index, rule] of rules.entries()) {
      const variables = new Map([
        ['self', self],
        ['oldSelf', rule.optionalOldSelf ? optionalOf(self) : self],
      ]);
      for (const name of ['rule', 'messageExpression'] as const) {
        const source = rule[name];
        const field = `${childPath(place, `x-kubernetes-validations[${index}]`)}.${name}`;
        if (source !== undefined) judge(name, source, field, variables);
      }
    }
    const below = (child: JsonSchema, name: string) =>
      check(child, child['x-kubernetes-embedded-resource'] === true, childPath(place, name));
    for (const [name, child] of Object.entries(at.properties ?? {}))
      below(child, keyPath('properties', name));
    if (at.items) below(at.items, 'items');
    const { additionalProperties: values } = at;
    if (typeof values === 'object') below(values, 'additionalProperties');
  };
  check(schema, true, path);
  return errors;
}
