/** The CEL expressions of admission: what they may name, and the values they are given. */
import { createEnvironment } from '../../schema/cel/environment.ts';
import { rewritten } from '../../schema/cel/rewrite.ts';
import { firstLine } from '../../schema/cel/rules.ts';
import { isRecord, type KubeObject, setOwn } from '../object.ts';

/** What an expression may name. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#validation-expression */
export type Names = {
  object: unknown;
  oldObject: unknown;
  request: unknown;
  params: unknown;
  namespaceObject: unknown;
  variables: Record<string, unknown>;
};

const names = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'] as const;

/** A compiled expression; throws when it cannot be evaluated. */
export type Expression = (values: Names) => unknown;

/** Compiles expressions for one policy or webhook: making the environment is not free. */
export type Compiler = (source: string) => Expression;

/** Makes a compiler. It throws an Error in one line for an expression that cannot be right. */
export function createCompiler(): Compiler {
  const environment = createEnvironment();
  for (const name of names) environment.registerVariable(name, 'dyn');
  return (source) => {
    try {
      const run = environment.parse(rewritten(environment, source));
      const checked = run.check();
      if (!checked.valid) throw checked.error ?? new Error('it does not compile');
      return (values) => run(values);
    } catch (error) {
      throw new Error(`compilation failed: ${firstLine(error)}`, { cause: error });
    }
  };
}

/** JSON as expressions see it: whole numbers are integers. */
export function toCel(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toCel);
  if (!isRecord(value)) return value ?? null;
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) setOwn(result, key, toCel(member));
  return result;
}

/** An object as expressions see it; null where there is none. */
export function objectToCel(object: KubeObject | undefined): unknown {
  return object === undefined ? null : toCel(object);
}

/** Variables that are evaluated when first named, each able to name those before it. */
export function lazyVariables(
  variables: readonly { name: string; expression: Expression }[],
  values: () => Names,
): Record<string, unknown> {
  const lazy: Record<string, unknown> = {};
  for (const { name, expression } of variables) {
    let known: { value: unknown } | undefined;
    Object.defineProperty(lazy, name, {
      enumerable: true,
      get: () => {
        known ??= { value: expression(values()) };
        return known.value;
      },
    });
  }
  return lazy;
}
