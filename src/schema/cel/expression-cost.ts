/** The worst cost of one evaluation of an expression, by the rules of cel-go's checker/cost.go and Kubernetes' library costs. */
import type { Environment } from '@marcbachmann/cel-js';
import type { JsonSchema } from '../contract.ts';
import { maxRequestBytes, maxSize } from '../sizes.ts';
import { type Node, nodeOf } from './ast.ts';
import { loopVariables } from './check/macros.ts';
import { celName } from './names.ts';
import { optionalItem } from './optionalItems.ts';
import { parseTree } from './tree.ts';

/** What is known of a part: what it costs, how large its value can be, and of which schema it is. */
type Estimate = { cost: number; size: number; schema?: JsonSchema };
type Scope = ReadonlyMap<string, JsonSchema | undefined>;

/** Cost of reading each character of a string. */
const perCharacter = 0.1;
const perPatternCharacter = 0.25;
const listCost = 10;
const mapCost = 30;
/** What a loop costs beside its body: the accumulator and the condition. */
const perRound = 4;

/** Names before a dot that are no values. */
const namespaces: ReadonlySet<string> = new Set(['format', 'ip', 'optional', 'sets', 'strings']);
/** Functions that look at each item of a list once. */
const scans: ReadonlySet<string> = new Set([
  'isSorted',
  'sum',
  'min',
  'max',
  'indexOf',
  'lastIndexOf',
  'join',
]);

/** Functions that cost nothing and make a value of one size, whatever text they read. */
const single: ReadonlySet<string> = new Set([
  'size',
  'bool',
  'double',
  'duration',
  'int',
  'timestamp',
  'uint',
]);
/** Functions of whose result nothing is known: it counts as without bound, also where what they are given is short. */
const unbounded: ReadonlySet<string> = new Set(
  'string type value orValue format charAt getScheme getHost getHostname getPort getEscapedPath'.split(' '),
);
/** The keys of a map count as empty there: their length is known to no schema. */
const key: JsonSchema = { type: 'string', maxLength: 0 };
const scalarLiteral: JsonSchema = { type: 'number' };
/** The variable of a list's index, where a loop has one. */
const position: JsonSchema = { type: 'integer' };

/** The cost of `source` with `self` and `oldSelf` of `schema`. Throws for what does not parse. */
export function expressionCost(environment: Environment, source: string, schema: JsonSchema): number {
  const scope = new Map([
    ['self', schema],
    ['oldSelf', schema],
  ]);
  return estimate(parseTree(environment, source), scope).cost;
}

function estimate(node: Node | undefined, scope: Scope): Estimate {
  if (!node) return { cost: 0, size: 0 };
  const { op, args } = node;
  switch (op) {
    case 'value':
      return typeof args[0] === 'string'
        ? { cost: 0, size: args[0].length }
        : { cost: 0, size: 1, schema: scalarLiteral };
    case 'id':
      return ofSchema(1, scope.get(String(args[0])));
    case '.':
    case '.?':
      return field(estimate(nodeOf(args[0]), scope), String(args[1]));
    case '[]':
    case '[?]':
      return index(estimate(nodeOf(args[0]), scope), estimate(nodeOf(args[1]), scope));
    case '?:':
      return choice(args, scope);
    case optionalItem:
      return estimate(nodeOf(args[0]), scope);
    case 'list':
      return gathered(listCost, args, scope);
    case 'map':
      return gathered(mapCost, args.flat(), scope);
    case 'call':
      return call(String(args[0]), undefined, listOf(args[1]), scope);
    case 'rcall':
      return call(String(args[0]), nodeOf(args[1]), listOf(args[2]), scope);
    default:
      return operation(op, args, scope);
  }
}

function ofSchema(cost: number, schema: JsonSchema | undefined): Estimate {
  return { cost, size: maxSize(schema), ...(schema && { schema }) };
}

function field({ cost, schema }: Estimate, name: string): Estimate {
  const properties = Object.entries(schema?.properties ?? {});
  const child = properties.find(([property]) => celName(property) === name)?.[1];
  return ofSchema(cost + 1, child ?? itemOf(schema));
}

function index(list: Estimate, at: Estimate): Estimate {
  return ofSchema(list.cost + at.cost + 1, itemOf(list.schema));
}

function itemOf(schema: JsonSchema | undefined): JsonSchema | undefined {
  const { items, additionalProperties } = schema ?? {};
  return items ?? (typeof additionalProperties === 'object' ? additionalProperties : undefined);
}

function choice(args: readonly unknown[], scope: Scope): Estimate {
  const [condition, yes, no] = args.map((part) => estimate(nodeOf(part), scope));
  return {
    cost: (condition?.cost ?? 0) + Math.max(yes?.cost ?? 0, no?.cost ?? 0),
    size: Math.max(yes?.size ?? 0, no?.size ?? 0),
  };
}

function gathered(base: number, parts: readonly unknown[], scope: Scope): Estimate {
  return { cost: base + sumCost(parts.map((part) => estimate(nodeOf(part), scope))), size: parts.length };
}

function operation(op: string, args: readonly unknown[], scope: Scope): Estimate {
  const parts = args.map((part) => estimate(nodeOf(part), scope));
  const [left, right] = parts;
  const own = sumCost(parts);
  if (!left || !right) return { cost: own + 1, size: 1 };
  switch (op) {
    case '&&':
    case '||':
      return { cost: own, size: 1 };
    case 'in':
      return { cost: own + (right.schema?.type === 'object' ? 1 : right.size), size: 1 };
    case '+':
      return { cost: own + 1 + perCharacter * (left.size + right.size), size: left.size + right.size };
    default:
      return { cost: own + 1 + perCharacter * Math.min(left.size, right.size), size: 1 };
  }
}

function call(name: string, receiver: Node | undefined, args: readonly Node[], scope: Scope): Estimate {
  const isSpace = receiver?.op === 'id' && namespaces.has(String(receiver.args[0]));
  const target = receiver && !isSpace ? estimate(receiver, scope) : undefined;
  const variables = target && loopVariables(name, args.length);
  if (target && variables) return loop(target, args, variables, scope);
  if (name === 'bind' && args.length === 3) return bind(args, scope);
  const parts = [...(target ? [target] : []), ...args.map((argument) => estimate(argument, scope))];
  const [first, second] = parts;
  const own = sumCost(parts) + 1 + work(name, first?.size ?? 0, second?.size ?? 0);
  const known = name === 'string' && first?.schema?.format === 'byte';
  const isCount = isScalar(
    name === 'orValue' ? second?.schema : name === 'value' ? first?.schema : undefined,
  );
  return { cost: own, size: known || isCount ? (first?.size ?? 1) : resultSize(name, first?.size ?? 1) };
}

/** What a function does beside looking at its arguments' names. */
function work(name: string, first: number, second: number): number {
  switch (name) {
    case 'matches':
    case 'find':
    case 'findAll':
      return perCharacter * (first + 1) * Math.max(1, perPatternCharacter * second);
    case 'contains':
      return perCharacter * first * Math.max(1, perCharacter * second);
    case 'intersects':
    case 'equivalent':
      return first * second;
    case 'startsWith':
    case 'endsWith':
      return perCharacter * second;
    case 'has':
    case 'hasValue':
    case 'value':
    case 'orValue':
    case 'type':
    case 'dyn':
      return 0;
    default:
      if (single.has(name)) return 0;
      return scans.has(name) ? first : perCharacter * (first + second);
  }
}

function resultSize(name: string, size: number): number {
  if (unbounded.has(name)) return 2 ** 64;
  return single.has(name) || ['has', 'matches', 'contains', 'startsWith', 'endsWith'].includes(name)
    ? 1
    : Math.min(size, maxRequestBytes);
}

/** True for values of one size; of an integer or a time no more is known than that. */
function isScalar(schema: JsonSchema | undefined): boolean {
  return ['integer', 'number', 'boolean'].includes(schema?.type ?? '');
}

function loop(list: Estimate, args: readonly Node[], variables: 1 | 2, scope: Scope): Estimate {
  const isMap = list.schema?.type === 'object';
  const [first, second] = args.map((variable) => String(variable.args[0]));
  const inner = new Map(scope).set(
    first ?? '',
    isMap ? key : variables === 2 ? position : itemOf(list.schema),
  );
  if (variables === 2) inner.set(second ?? '', itemOf(list.schema));
  const round = sumCost(args.slice(variables).map((part) => estimate(part, inner)));
  const cost = list.cost + list.size * (round + perRound);
  return { cost, size: list.size, ...(list.schema && { schema: list.schema }) };
}

function bind([variable, value, body]: readonly Node[], scope: Scope): Estimate {
  const bound = estimate(value, scope);
  const result = estimate(body, new Map(scope).set(String(variable?.args[0]), bound.schema));
  return { ...result, cost: result.cost + bound.cost + 1 };
}

function listOf(value: unknown): Node[] {
  return Array.isArray(value) ? value.flatMap((item) => nodeOf(item) ?? []) : [];
}

function sumCost(parts: readonly Estimate[]): number {
  return parts.reduce((sum, part) => sum + part.cost, 0);
}
