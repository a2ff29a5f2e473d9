/** What a CEL rule must say of itself, before anybody compiles it (apiextensions, validation.go). */
import { hasField } from './cel/field-path.ts';
import type { FieldError, JsonSchema, ValidationRule } from './contract.ts';
import { invalid, required, unsupported } from './errors.ts';
import { childPath } from './paths.ts';

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
const lineBreak = /[\r\n]/;

/** Checks the rules of one place. */
export function checkRules(schema: JsonSchema, path: string, errors: FieldError[]): void {
  for (const [index, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const at = childPath(path, `x-kubernetes-validations[${index}]`);
    checkTexts(rule, at, errors);
    checkFieldPath(rule, schema, at, errors);
  }
}

function checkTexts(
  { rule = '', message = '', messageExpression = '', reason }: ValidationRule,
  at: string,
  errors: FieldError[],
): void {
  const text = message.trim();
  const field = childPath(at, 'message');
  if (rule.trim() === '') errors.push(required(childPath(at, 'rule'), 'rule is not specified'));
  else if (message !== '' && text === '') {
    errors.push(invalid(field, message, 'message must be non-empty if specified'));
  } else if (lineBreak.test(text)) {
    errors.push(invalid(field, message, 'message must not contain line breaks'));
  } else if (lineBreak.test(rule.trim()) && text === '') {
    errors.push(required(field, 'message must be specified if rule contains line breaks'));
  }
  if (messageExpression !== '' && messageExpression.trim() === '') {
    const detail = 'messageExpression must be non-empty if specified';
    errors.push(required(childPath(at, 'messageExpression'), detail));
  }
  if (reason !== undefined && !reasons.includes(reason)) {
    errors.push(unsupported(childPath(at, 'reason'), reason, reasons));
  }
}

function checkFieldPath(
  { fieldPath = '' }: ValidationRule,
  schema: JsonSchema,
  path: string,
  errors: FieldError[],
): void {
  if (fieldPath === '') return;
  const at = childPath(path, 'fieldPath');
  if (fieldPath.trim() === '')
    errors.push(invalid(at, fieldPath, 'fieldPath must be non-empty if specified'));
  if (lineBreak.test(fieldPath))
    errors.push(invalid(at, fieldPath, 'fieldPath must not contain line breaks'));
  if (!hasField(fieldPath, schema)) errors.push(invalid(at, fieldPath, 'fieldPath must be a valid path'));
}
