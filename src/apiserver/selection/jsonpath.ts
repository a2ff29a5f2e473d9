/**
 * JSONPath as printer columns use it: children, quoted children, indices, slices, unions, `*`, `..` and filters.
 * https://kubernetes.io/docs/reference/kubectl/jsonpath/ (without range and text, which columns cannot have).
 */
import { isNumber } from '../../schema/values.ts';
import { isRecord } from '../object.ts';

type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';

type Step =
  | { type: 'child'; names: readonly string[] }
  | { type: 'index'; indices: readonly number[] }
  | { type: 'slice'; from: number | undefined; to: number | undefined; step: number }
  | { type: 'all' }
  | { type: 'descend' }
  | { type: 'filter'; left: readonly Step[]; operator?: Comparison; right?: Operand };

type Operand = { literal: unknown } | { path: readonly Step[] };

/** A compiled path. */
export type JsonPath = readonly Step[];

/** Compiles a path such as `.status.conditions[?(@.type=="Ready")].status`; throws an Error that says what is wrong. */
export function compileJsonPath(text: string): JsonPath {
  const path = text.trim().replace(/^\{(.*)\}$/s, '$1');
  const steps: Step[] = [];
  let at = path.startsWith('$') || path.startsWith('@') ? 1 : 0;
  while (at < path.length) {
    if (path.startsWith('..', at)) {
      steps.push({ type: 'descend' });
      at += path[at + 2] === '[' ? 2 : 1;
    } else if (path[at] === '[') {
      const end = closingBracket(path, at);
      steps.push(bracketStep(path.slice(at + 1, end).trim(), text));
      at = end + 1;
    } else {
      const name = /^\.?((?:\\.|[^.[\]\\])+)/s.exec(path.slice(at));
      if (name === null) throw new Error(`invalid JSONPath ${JSON.stringify(text)} at position ${at}`);
      const plain = (name[1] ?? '').replace(/\\(.)/gs, '$1');
      steps.push(plain === '*' ? { type: 'all' } : { type: 'child', names: [plain] });
      at += name[0].length;
    }
  }
  return steps;
}

/** All values the path leads to, in order; missing members lead nowhere. */
export function selectJsonPath(path: JsonPath, root: unknown): unknown[] {
  let values = [root];
  for (const step of path) values = values.flatMap((value) => advance(step, value));
  return values;
}

function closingBracket(path: string, open: number): number {
  let depth = 0;
  let quote = '';
  for (let at = open; at < path.length; at++) {
    const char = path[at] ?? '';
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '[') depth++;
    else if (char === ']' && --depth === 0) return at;
  }
  throw new Error(`unterminated array in JSONPath ${JSON.stringify(path)}`);
}

function bracketStep(inner: string, text: string): Step {
  if (inner === '*') return { type: 'all' };
  const filter = /^\?\s*\((.*)\)$/s.exec(inner);
  if (filter !== null) return filterStep((filter[1] ?? '').trim());
  if (/^['"]/.test(inner)) {
    const names = inner.match(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"/gs) ?? [];
    return { type: 'child', names: names.map(unquote) };
  }
  if (/^-?\d+(\s*,\s*-?\d+)*$/.test(inner)) {
    return { type: 'index', indices: inner.split(',').map(Number) };
  }
  const slice = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(inner);
  if (slice === null) throw new Error(`invalid array index ${inner} in JSONPath ${JSON.stringify(text)}`);
  const bound = (part: string | undefined) => (part ? Number(part) : undefined);
  return {
    type: 'slice',
    from: bound(slice[1]),
    to: bound(slice[2]),
    step: Math.max(1, bound(slice[3]) ?? 1),
  };
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/gs, '$1');
}

function filterStep(expression: string): Step {
  const parts = /^((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^=!<>"'])+)(?:(==|!=|<=|>=|<|>)(.*))?$/s.exec(
    expression,
  );
  if (parts === null) throw new Error(`invalid filter ${expression}`);
  const left = compileJsonPath((parts[1] ?? '').trim());
  const operator = parts[2] as Comparison | undefined;
  if (operator === undefined) return { type: 'filter', left };
  return { type: 'filter', left, operator, right: operandOf((parts[3] ?? '').trim()) };
}

function operandOf(text: string): Operand {
  if (text.startsWith('@') || text.startsWith('$')) return { path: compileJsonPath(text) };
  if (/^'.*'$|^".*"$/s.test(text)) return { literal: unquote(text) };
  if (text === 'true' || text === 'false') return { literal: text === 'true' };
  const number = Number(text);
  if (text === '' || Number.isNaN(number)) throw new Error(`invalid operand ${text} in a JSONPath filter`);
  return { literal: number };
}

function advance(step: Step, value: unknown): unknown[] {
  switch (step.type) {
    case 'child':
      return isRecord(value)
        ? step.names.filter((name) => Object.hasOwn(value, name)).map((name) => value[name])
        : [];
    case 'index':
      return Array.isArray(value)
        ? step.indices
            .map((index) => (index < 0 ? index + value.length : index))
            .flatMap((index) => (index in value ? [value[index]] : []))
        : [];
    case 'slice':
      return Array.isArray(value)
        ? value.slice(step.from, step.to).filter((_, index) => index % step.step === 0)
        : [];
    case 'all':
      return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
    case 'descend':
      return descendants(value);
    case 'filter':
      return Array.isArray(value) ? value.filter((item) => passes(step, item)) : [];
    default:
      return step satisfies never;
  }
}

function descendants(value: unknown): unknown[] {
  const members = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
  return [value, ...members.flatMap(descendants)];
}

function passes(step: Step & { type: 'filter' }, item: unknown): boolean {
  const [left] = selectJsonPath(step.left, item);
  if (step.operator === undefined || step.right === undefined) return left !== undefined;
  const right = 'path' in step.right ? selectJsonPath(step.right.path, item)[0] : step.right.literal;
  if (left === undefined || right === undefined) return false;
  switch (step.operator) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return less(left, right);
    case '>':
      return less(right, left);
    case '<=':
      return left === right || less(left, right);
    default:
      return left === right || less(right, left);
  }
}

function less(a: unknown, b: unknown): boolean {
  if (isNumber(a) && isNumber(b)) return a < b;
  return typeof a === 'string' && typeof b === 'string' && a < b;
}
