/** Label selectors: `a=b, c!=d, e in (x,y), f notin (z), g, !h, i>5`. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */

import { labelKeyErrors, labelValueErrors } from '../metadata/names.ts';
import { badRequest } from '../status.ts';

/** The labels of an object. */
export type Labels = { readonly [key: string]: string };

/** One requirement of a selector; all must hold. */
export type LabelRequirement =
  | { key: string; operator: 'In' | 'NotIn'; values: readonly string[] }
  | { key: string; operator: 'Exists' | 'DoesNotExist' }
  | { key: string; operator: 'GreaterThan' | 'LessThan'; value: number };

/** A parsed selector; empty matches everything. */
export type LabelSelector = readonly LabelRequirement[];

/** True when all requirements hold. */
export function matchesLabels(selector: LabelSelector, labels: Labels | undefined): boolean {
  return selector.every((requirement) => holds(requirement, labels ?? {}));
}

function holds(requirement: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && requirement.values.includes(value);
    case 'NotIn':
      return value === undefined || !requirement.values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default: {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      return requirement.operator === 'GreaterThan'
        ? Number(value) > requirement.value
        : Number(value) < requirement.value;
    }
  }
}

/** Parses a selector; throws 400 with the place of the fault. */
export function parseLabelSelector(text: string): LabelSelector {
  const tokens = tokenize(text);
  const requirements: LabelRequirement[] = [];
  let at = 0;
  while (at < tokens.length) {
    const { requirement, next } = parseRequirement(tokens, at);
    requirements.push(requirement);
    if (next < tokens.length && tokens[next] !== ',') {
      throw broken(`found '${tokens[next]}', expected: ',' or 'end of string'`);
    }
    if (next === tokens.length - 1) throw broken("found '', expected: identifier after ','");
    at = next + 1;
  }
  return requirements;
}

function tokenize(text: string): string[] {
  return text.match(/!=|==|[=!<>(),]|[^\s=!<>(),]+/g) ?? [];
}

type Parsed = { requirement: LabelRequirement; next: number };

function parseRequirement(tokens: readonly string[], at: number): Parsed {
  if (tokens[at] === '!') {
    return { requirement: { key: keyAt(tokens, at + 1), operator: 'DoesNotExist' }, next: at + 2 };
  }
  const key = keyAt(tokens, at);
  const operator = tokens[at + 1];
  if (operator === undefined || operator === ',') {
    return { requirement: { key, operator: 'Exists' }, next: at + 1 };
  }
  if (operator === 'in' || operator === 'notin') {
    const { values, next } = parseSet(tokens, at + 2);
    return { requirement: { key, operator: operator === 'in' ? 'In' : 'NotIn', values }, next };
  }
  if (!['=', '==', '!=', '>', '<'].includes(operator)) {
    throw broken(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
  }
  const value = tokens[at + 2];
  const empty = value === undefined || value === ',';
  if (!empty && /^[=!<>()]/.test(value)) throw broken(`found '${value}', expected: identifier`);
  const next = empty ? at + 2 : at + 3;
  return { requirement: comparison(key, operator, empty ? '' : value), next };
}

function comparison(key: string, operator: string, value: string): LabelRequirement {
  if (operator === '>' || operator === '<') {
    if (!/^-?\d+$/.test(value)) throw broken(`for 'Gt', 'Lt' operators, the value must be an integer`);
    return { key, operator: operator === '>' ? 'GreaterThan' : 'LessThan', value: Number(value) };
  }
  checkValue(value);
  return { key, operator: operator === '!=' ? 'NotIn' : 'In', values: [value] };
}

function parseSet(tokens: readonly string[], open: number): { values: string[]; next: number } {
  if (tokens[open] !== '(') throw broken(`found '${tokens[open] ?? ''}', expected: '('`);
  const values: string[] = [];
  let current = '';
  for (let at = open + 1; at < tokens.length; at++) {
    const token = tokens[at] ?? '';
    if (token === ',' || token === ')') {
      checkValue(current);
      values.push(current);
      current = '';
      if (token === ')') return { values, next: at + 1 };
    } else if (current !== '' || /^[=!<>(]/.test(token)) {
      throw broken(`found '${token}', expected: ',' or ')'`);
    } else {
      current = token;
    }
  }
  throw broken("found '', expected: ',' or ')'");
}

function keyAt(tokens: readonly string[], at: number): string {
  const key = tokens[at] ?? '';
  if (/^[=!<>(),]?$/.test(key)) throw broken(`found '${key}', expected: !, identifier, or 'end of string'`);
  const [fault] = labelKeyErrors(key);
  if (fault !== undefined) throw broken(`key: Invalid value: ${JSON.stringify(key)}: ${fault}`);
  return key;
}

function checkValue(value: string): void {
  const [fault] = labelValueErrors(value);
  if (fault !== undefined) throw broken(`values: Invalid value: ${JSON.stringify(value)}: ${fault}`);
}

function broken(why: string) {
  return badRequest(`unable to parse requirement: ${why}`);
}
