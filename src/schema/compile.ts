/** A schema compiled once and used for each request: the door to this room. */
import { compileRuleTree, validateRules } from './celrules.ts';
import type { CompiledSchema, FieldError, JsonSchema } from './contract.ts';
import { applyDefaults, dropNulls } from './defaults.ts';
import { invalid } from './errors.ts';
import { compileNode } from './node.ts';
import { rootPath } from './paths.ts';
import { pruneResource } from './prune.ts';
import { validateValue } from './validate.ts';

/** Errors of one type in an answer: a list of 1000 wrong items is one mistake, and answers must stay small. */
const errorsPerType = 10;

/** Makes a schema ready. Throws SchemaError, with the path in the schema, for a pattern or a CEL rule that does not compile. */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  const root = compileNode(schema);
  const rules = compileRuleTree(root);
  return {
    schema,
    prune: (object) => pruneResource(root, object),
    applyDefaults: (object) => {
      applyDefaults(root, object);
      dropNulls(root, object);
    },
    validate: (object, options = {}) => {
      const errors: FieldError[] = [];
      validateValue(root, object, options.old, '', errors);
      if (rules && (options.blocked === true || errors.some(blocksRules))) errors.push(rulesNotChecked);
      else if (rules) validateRules(rules, object, options.old, '', errors);
      return capped(errors);
    },
  };
}

/** Rules are written for objects of the right shape; kube-apiserver does not judge them on others either. */
function blocksRules({ type }: FieldError): boolean {
  return blockingTypes.has(type);
}

const blockingTypes: ReadonlySet<FieldError['type']> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const rulesNotChecked = invalid(
  rootPath,
  null,
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
);

function capped(errors: FieldError[]): FieldError[] {
  if (errors.length <= errorsPerType) return errors;
  const counts = new Map<string, number>();
  return errors.filter(({ type }) => {
    const count = (counts.get(type) ?? 0) + 1;
    counts.set(type, count);
    return count <= errorsPerType;
  });
}
