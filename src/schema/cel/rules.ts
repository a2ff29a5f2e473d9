/** Compiles the rules of a schema: static checks when the schema is installed, a function to call at each request. */
import type { Environment } from '@marcbachmann/cel-js';
import type { JsonSchema, ValidationRule } from '../contract.ts';
import { SchemaError } from '../node.ts';
import { childPath } from '../paths.ts';
import { visit } from './ast.ts';
import { readFieldPath } from './field-path.ts';
import { rewritten } from './rewrite.ts';

/** What a rule is given: converted values. `oldSelf` is an optional for rules with optionalOldSelf. */
export type Scope = { self: unknown; oldSelf?: unknown };

export type CompiledRule = {
  rule: ValidationRule;
  /** Names oldSelf, so it is judged on updates only unless its oldSelf is optional. */
  isTransition: boolean;
  /** Throws when the expression fails. */
  holds(scope: Scope): unknown;
  /** The message made by messageExpression; undefined when there is none or it fails. */
  message?(scope: Scope): string | undefined;
  /** Appended to the path of the value that the rule stands at. */
  fieldPath: string;
};

/** Compiles the rules at one place; throws SchemaError naming the rule for one that cannot be right. */
export function compileRules(environment: Environment, schema: JsonSchema, path: string): CompiledRule[] {
  const rules = schema['x-kubernetes-validations'] ?? [];
  if (rules.length === 0) return [];
  return rules.map((rule, index) => {
    const rulePath = childPath(path, `x-kubernetes-validations[${index}]`);
    const old = rule.optionalOldSelf ? 'optional<dyn>' : 'dyn';
    const variables = environment.clone().registerVariable('self', 'dyn').registerVariable('oldSelf', old);
    const compile = (source: string, at: string, result: keyof typeof resultDemand) =>
      compileExpression(variables, source, childPath(rulePath, at), result);
    const holds = compile(rule.rule, 'rule', 'bool');
    const isTransition = holds.names.has('oldSelf');
    if (!isTransition && rule.optionalOldSelf !== undefined) {
      throw new SchemaError(
        childPath(rulePath, 'optionalOldSelf'),
        'may not be set if oldSelf is not used in rule',
        { value: rule.optionalOldSelf },
      );
    }
    const message =
      rule.messageExpression === undefined
        ? undefined
        : compile(rule.messageExpression, 'messageExpression', 'string');
    return {
      rule,
      isTransition,
      holds: holds.run,
      ...(message && { message: (scope: Scope) => tryMessage(message.run, scope) }),
      fieldPath: readFieldPath(rule.fieldPath, schema, rulePath),
    };
  });
}

function tryMessage(run: (scope: Scope) => unknown, scope: Scope): string | undefined {
  try {
    const text = run(scope);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

const resultDemand = {
  bool: 'cel expression must evaluate to a bool',
  string: 'messageExpression must evaluate to a string',
} as const;

type Expression = { run: (scope: Scope) => unknown; names: ReadonlySet<string> };

function compileExpression(
  environment: Environment,
  source: string,
  path: string,
  result: keyof typeof resultDemand,
): Expression {
  try {
    const run = environment.parse(rewritten(environment, source));
    const checked = run.check();
    if (!checked.valid) throw checked.error ?? new Error('it does not compile');
    if (checked.type !== result && checked.type !== 'dyn') {
      throw new SchemaError(path, resultDemand[result], { value: source });
    }
    return { run, names: identifiers(run.ast) };
  } catch (error) {
    if (error instanceof SchemaError) throw error;
    throw new SchemaError(path, `compilation failed: ${firstLine(error)}`, { cause: error, value: source });
  }
}

function identifiers(ast: unknown): Set<string> {
  const names = new Set<string>();
  visit(ast, ({ op, args }) => {
    if (op === 'id') names.add(String(args[0]));
  });
  return names;
}

/** The library draws the place of an error below its message; answers hold one line. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? '';
}
