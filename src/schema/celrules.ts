/** Evaluates the CEL rules of a schema over an object and its stored version, in the words of kube-apiserver. */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { type Converter, compileConverter } from './cel/convert.ts';
import { createEnvironment } from './cel/environment.ts';
import { type CompiledRule, compileRules, firstLine, type Scope } from './cel/rules.ts';
import type { FieldError } from './contract.ts';
import { oldField, oldItems } from './correlate.ts';
import { duplicate, forbidden, invalid, required } from './errors.ts';
import type { SchemaNode } from './node.ts';
import { childPath, itemPath, keyPath, rootPath } from './paths.ts';
import { equalJson, isObject } from './values.ts';

/** The places of a schema that have rules at or below them. */
export type RuleNode = {
  node: SchemaNode;
  rules: readonly CompiledRule[];
  convert: Converter | undefined;
  properties: ReadonlyMap<string, RuleNode>;
  additional?: RuleNode;
  items?: RuleNode;
};

/** Compiles all rules below `root`; undefined when there are none. Throws SchemaError for a rule that does not compile. */
export function compileRuleTree(root: SchemaNode): RuleNode | undefined {
  let environment: Environment | undefined;
  const getEnvironment = () => {
    environment ??= createEnvironment();
    return environment;
  };
  return compileTree(root, '', getEnvironment);
}

function compileTree(node: SchemaNode, path: string, environment: () => Environment): RuleNode | undefined {
  const below = (name: string, child: SchemaNode) => compileTree(child, childPath(path, name), environment);
  const properties = new Map<string, RuleNode>();
  for (const [name, child] of node.properties) {
    const tree = below(keyPath('properties', name), child);
    if (tree) properties.set(name, tree);
  }
  const additional = node.additional && below('additionalProperties', node.additional);
  const items = node.items && below('items', node.items);
  const hasRules = (node.schema['x-kubernetes-validations']?.length ?? 0) > 0;
  const rules = hasRules ? compileRules(environment(), node.schema, path) : [];
  if (rules.length === 0 && properties.size === 0 && !additional && !items) return undefined;
  return {
    node,
    rules,
    convert: rules.length > 0 ? compileConverter(node) : undefined,
    properties,
    ...(additional && { additional }),
    ...(items && { items }),
  };
}

/** Pushes the errors of the rules at and below `value`, whose stored counterpart is `old` (undefined: none). */
export function validateRules(
  tree: RuleNode,
  value: unknown,
  old: unknown,
  path: string,
  errors: FieldError[],
): void {
  // Null stands for absence here: rules are written for values.
  if (value === null || value === undefined) return;
  if (tree.rules.length > 0) judge(tree, value, old, path, errors);
  if (Array.isArray(value)) {
    if (!tree.items) return;
    const counterpart = oldItems(tree.node, old);
    for (const [index, item] of value.entries()) {
      validateRules(tree.items, item, counterpart(item), itemPath(path, index), errors);
    }
  } else if (isObject(value)) {
    for (const [name, child] of tree.properties) {
      if (Object.hasOwn(value, name)) {
        validateRules(child, value[name], oldField(old, name), childPath(path, name), errors);
      }
    }
    const { additional } = tree;
    if (!additional) return;
    for (const name of Object.keys(value)) {
      if (tree.node.properties.has(name)) continue;
      validateRules(additional, value[name], oldField(old, name), keyPath(path, name), errors);
    }
  }
}

/** Judges the rules of one place. An unchanged value is not held against a rule that came later, only against transitions. */
function judge(tree: RuleNode, value: unknown, old: unknown, path: string, errors: FieldError[]): void {
  const { convert } = tree;
  const hasOld = old !== undefined && old !== null;
  const self = convert ? convert(value) : value;
  let oldSelf: unknown;
  let unchanged: boolean | undefined;
  for (const compiled of tree.rules) {
    const scope: Scope = { self };
    if (compiled.isTransition) {
      if (hasOld) oldSelf ??= convert ? convert(old) : old;
      else if (!compiled.rule.optionalOldSelf) continue;
      scope.oldSelf = compiled.rule.optionalOldSelf ? optional(oldSelf) : oldSelf;
    }
    const error = breach(compiled, scope, tree.node.schema.type ?? 'object', path);
    if (!error) continue;
    if (!compiled.isTransition && hasOld) {
      unchanged ??= equalJson(value, old);
      if (unchanged) continue;
    }
    errors.push(error);
  }
}

function optional(value: unknown): Optional {
  return value === undefined ? Optional.none() : Optional.of(value);
}

/** The error of a broken rule; undefined when it holds. */
function breach(compiled: CompiledRule, scope: Scope, type: string, path: string): FieldError | undefined {
  const { rule } = compiled;
  try {
    if (compiled.holds(scope) === true) return undefined;
  } catch (error) {
    return invalid(path || rootPath, type, `${firstLine(error)} evaluating rule: ${plainMessage(compiled)}`);
  }
  const field = `${path}${compiled.fieldPath}`.replace(/^\./, '') || rootPath;
  const message = compiled.message?.(scope) ?? plainMessage(compiled);
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(field, message);
    case 'FieldValueRequired':
      return required(field, message);
    case 'FieldValueDuplicate':
      return duplicate(field, type);
    default:
      return invalid(field, type, message);
  }
}

function plainMessage({ rule }: CompiledRule): string {
  return rule.message?.trim() || `failed rule: ${rule.rule.trim()}`;
}
