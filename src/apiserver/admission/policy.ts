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

type Annotation = { key: string; text: string; expression: Expression };

/** A policy whose expressions are compiled. */
export type Policy = {
  name: string;
  constraints: unknown;
  paramKind: { apiVersion: string; kind: string } | undefined;
  ignoresFailure: boolean;
  conditions: readonly Named[];
  variables: readonly Named[];
  validations: readonly Validation[];
  annotations: readonly Annotation[];
};

/** Why a write may not pass. `check` says which of the policy's validations found it. */
export type Denial = { message: string; reason: string; check: number };

/** What a policy finds. */
export type Findings = {
  /** What its bindings act on. */
  denials: readonly Denial[];
  /** What refuses the write whatever a binding says: what was to be known of it cannot be. */
  faults: readonly Denial[];
  /** For the audit log. */
  annotations: readonly { key: string; value: string }[];
};

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
    annotations: listOf(spec.auditAnnotations)
      .filter(isRecord)
      .map(({ key, valueExpression }) => ({
        key: String(key),
        text: String(valueExpression).trim(),
        expression: compile(String(valueExpression)),
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

/** Nothing to say: the write may pass. */
export const nothingFound: Findings = { denials: [], faults: [], annotations: [] };

/** Asks a policy about one write. `values` come without the policy's own variables. */
export function judge(policy: Policy, values: Omit<Names, 'variables'>): Findings {
  const names: Names = { ...values, variables: {} };
  names.variables = lazyVariables(policy.variables, () => names);
  const applies = conditionsHold(policy, names);
  if (applies !== true) return applies === false ? nothingFound : { ...nothingFound, denials: [applies] };
  const denials = policy.validations.flatMap((validation, check) => {
    try {
      return validation.expression(names) === true ? [] : [denialOf(validation, check, names)];
    } catch (error) {
      if (policy.ignoresFailure) return [];
      const message = `expression '${validation.text}' resulted in error: ${lineOf(error)}`;
      return [{ message, reason: 'Invalid', check }];
    }
  });
  return { denials, ...annotationsOf(policy, names) };
}

/** Null and blank values are no annotations; a value that cannot be told is a fault, unless failures are ignored. */
function annotationsOf(
  { annotations, ignoresFailure }: Policy,
  names: Names,
): Pick<Findings, 'faults' | 'annotations'> {
  const faults: Denial[] = [];
  const found: { key: string; value: string }[] = [];
  for (const { key, text, expression } of annotations) {
    try {
      const value = expression(names);
      if (typeof value === 'string') {
        if (value.trim() !== '') found.push({ key, value: value.trim() });
      } else if (value !== null) {
        const why = 'resulted in unsupported return type. Return type must be either string or null.';
        faults.push({ message: `valueExpression '${text}' ${why}`, reason: 'Invalid', check: 0 });
      }
    } catch (error) {
      if (ignoresFailure) continue;
      const message = `expression '${text}' resulted in error: ${lineOf(error)}`;
      faults.push({ message, reason: 'Invalid', check: 0 });
    }
  }
  return { faults, annotations: found };
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
        check: 0,
      };
    }
  }
  if (failed === undefined) return true;
  return policy.ignoresFailure ? false : failed;
}

function denialOf(
  { text, message, messageExpression, reason }: Validation,
  check: number,
  names: Names,
): Denial {
  return {
    message: madeMessage(messageExpression, names) ?? message ?? `failed expression: ${text}`,
    reason,
    check,
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
