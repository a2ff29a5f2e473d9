/**
 * Refuses rules that compare what can never be equal, as kube-apiserver does when a definition is installed. It is asked of new schemas only:
 * one that is stored already goes on working.
 */
import { parseTree } from './cel/ast.ts';
import { createEnvironment } from './cel/environment.ts';
import { optionalOf, typeOf } from './cel/operands.ts';
import { checkOperands } from './cel/overloads.ts';
import { firstLine } from './cel/rules.ts';
import type { FieldError, JsonSchema } from './contract.ts';
import { invalid } from './errors.ts';
import { childPath, keyPath } from './paths.ts';

/** The rules, and the expressions of their messages, that compare two types. `path` is where the schema of a resource stands. */
export function checkComparisons(schema: JsonSchema, path: string): FieldError[] {
  const environment = createEnvironment();
  const errors: FieldError[] = [];
  const check = (at: JsonSchema, isResource: boolean, place: string): void => {
    const self = typeOf(at, 'selfType', isResource);
    for (const [index, rule] of (at['x-kubernetes-validations'] ?? []).entries()) {
      const variables = new Map([
        ['self', self],
        ['oldSelf', rule.optionalOldSelf ? optionalOf(self) : self],
      ]);
      for (const name of ['rule', 'messageExpression'] as const) {
        const source = rule[name];
        if (source === undefined) continue;
        try {
          checkOperands(parseTree(environment, source), variables);
        } catch (error) {
          const field = `${childPath(place, `x-kubernetes-validations[${index}]`)}.${name}`;
          errors.push(invalid(field, source, `compilation failed: ${firstLine(error)}`));
        }
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
