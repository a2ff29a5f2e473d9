/** A ValidatingAdmissionPolicy ready to be asked: its expressions compiled, its verdicts in kube-apiserver's words. */
import { isRecord, type KubeObject } from '../object.ts';
import { type Compiler, createCompiler, type Expression, lazyVariables, type Names } from './expressions.ts';
import { listOf } from './match.ts';

type Named = { name: string; expression: Expression };
type Validation = {
  text: string;
  expression: Expression;
  message: string | undefined;
  messageExpression: Expression | undefined;
  reason: string;
};

/** A policy whose expressions are compiled. */
export type Policy = {
  name: string;
  constraints: unknown;
  paramKind: { apiVersion: string; kind: string } | undefined;
  ignoresFailure: boolean;
  conditions: readonly Named[];
  variables: readonly Named[];
  validations: readonly Validation[];
};

/** What a policy finds: why the write may not pass. */
export type Denial = { message: string; reason: string };

/** Where an expression stands in the spec of a policy. */
export type Place = { field: string; source: string };

/** All expressions of a policy. */
export function expressionsOf(object: KubeObject): Place[] {
  const spec = isRecord(object.spec) ? object.spec : {};
  const at = (list: string, field: string): Place[] =>
    listOf(spec[list]).flatMap((item, index) => {
      const source = isRecord(item) ? item[field] : undefined;
      return typeof source === 'string' ? [{ field: `spec.${list}[${index}].${field}`, source }] : [];
    });
  return [
    ...at('matchConditions', 'expression'),
    ...at('variables', 'expression'),
    ...at('validations', 'expression'),
    ...at('validations', 'messageExpression'),
    ...at('auditAnnotations', 'valueExpression'),
  ];
}

/** Compiles a policy. An expression that does not compile fails when it is asked: its failurePolicy then decides. */
export function compilePolicy(object: KubeObject): Policy {
  const spec = isRecord(object.spec) ? object.spec : {};
  const compile = tolerant(createCompiler());
  const named = (list: unknown): Named[] =>
    listOf(list)
      .filter(isRecord)
      .map(({ name, expression }) => ({ name: String(name), expression: compile(String(expression)) }));
  const { paramKind } = spec;
  return {
    name: object.metadata.name ?? '',
    constraints: spec.matchConstraints,
    paramKind: isRecord(paramKind)
      ? { apiVersion: String(paramKind.apiVersion), kind: String(paramKind.kind) }
      : undefined,
    ignoresFailure: spec.failurePolicy === 'Ignore',
    conditions: named(spec.matchConditions),
    variables: named(spec.variables),
    validations: listOf(spec.validations)
      .filter(isRecord)
      .map(({ expression, message, messageExpression, reason }) => ({
        text: String(expression).trim(),
        expression: compile(String(expression)),
        message: typeof message === 'string' && message !== '' ? message.trim() : undefined,
        messageExpression:
          typeof messageExpression === 'string' && messageExpression !== ''
            ? compile(messageExpression)
            : undefined,
        reason: typeof reason === 'string' && reason !== '' ? reason : 'Invalid',
      })),
  };
}

function tolerant(compile: Compiler): Compiler {
  return (source) => {
    try {
      return compile(source);
    } catch (error) {
      return () => {
        throw error;
      };
    }
  };
}

/** Asks a policy about one write; an empty answer lets it pass. `values` come without the policy's own variables. */
export function judge(policy: Policy, values: Omit<Names, 'variables'>): Denial[] {
  const names: Names = { ...values, variables: {} };
  names.variables = lazyVariables(policy.variables, () => names);
  const applies = conditionsHold(policy, names);
  if (applies !== true) return applies === false ? [] : [applies];
  return policy.validations.flatMap((validation) => {
    try {
      return validation.expression(names) === true ? [] : [denialOf(validation, names)];
    } catch (error) {
      if (policy.ignoresFailure) return [];
      const message = `expression '${validation.text}' resulted in error: ${lineOf(error)}`;
      return [{ message, reason: 'Invalid' }];
    }
  });
}

/** Whether all match conditions hold; one that is false outweighs one that fails. */
function conditionsHold(policy: Policy, names: Names): boolean | Denial {
  let failed: Denial | undefined;
  for (const { name, expression } of policy.conditions) {
    try {
      if (expression(names) !== true) return false;
    } catch (error) {
      failed ??= {
        message: `matchCondition '${name}' resulted in error: ${lineOf(error)}`,
        reason: 'Invalid',
      };
    }
  }
  if (failed === undefined) return true;
  return policy.ignoresFailure ? false : failed;
}

function denialOf({ text, message, messageExpression, reason }: Validation, names: Names): Denial {
  return {
    message: madeMessage(messageExpression, names) ?? message ?? `failed expression: ${text}`,
    reason,
  };
}

function madeMessage(expression: Expression | undefined, names: Names): string | undefined {
  try {
    const text = expression?.(names);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

function lineOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
