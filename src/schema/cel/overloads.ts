/**
 * Finds the comparisons (`==`, `!=`, `in`) of an expression that kube-apiserver refuses because their operands are of two types. What is
 * not known to be of one type is taken: a definition that installs there must install here.
 */
import { type Node, nodeOf } from './ast.ts';
import {
  areComparable,
  bool,
  bytes,
  double,
  duration,
  dyn,
  fieldOf,
  int,
  itemOf,
  joined,
  listOf,
  nothing,
  optionalOf,
  shown,
  type Type,
  text,
  timestamp,
} from './operands.ts';

/** The types of the variables that can be named. */
export type Variables = ReadonlyMap<string, Type>;

const loops: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);
/** What functions return whatever they are given. */
const results: Readonly<Record<string, Type>> = {
  bool,
  bytes,
  double,
  duration,
  has: bool,
  int,
  size: int,
  string: text,
  timestamp,
};
/** What methods of strings return. */
const textResults: Readonly<Record<string, Type>> = {
  charAt: text,
  contains: bool,
  endsWith: bool,
  indexOf: int,
  lastIndexOf: int,
  lowerAscii: text,
  matches: bool,
  replace: text,
  size: int,
  split: listOf(text),
  startsWith: bool,
  substring: text,
  trim: text,
  upperAscii: text,
};

/** Methods of lists that return one item, or what items add up to. */
const itemResults: ReadonlySet<string> = new Set(['max', 'min', 'sum']);

/** The type of what `node` evaluates to. Throws an Error in the words of cel-go for a comparison that cannot be. */
export function checkOperands(node: Node | undefined, variables: Variables): Type {
  if (!node) return dyn;
  const { op, args } = node;
  const part = (index: number): Type => checkOperands(nodeOf(args[index]), variables);
  switch (op) {
    case 'value':
      return literal(args[0]);
    case 'id':
      return variables.get(String(args[0])) ?? dyn;
    case '.':
      return fieldOf(part(0), String(args[1]));
    case '.?':
      return optionalOf(fieldOf(part(0), String(args[1])));
    case '[]':
      part(1);
      return itemOf(part(0));
    case '[?]':
      part(1);
      return optionalOf(itemOf(part(0)));
    case 'list':
      return listOf(joined(args.map((_, at) => part(at))));
    case 'map':
      return mapLiteral(args, variables);
    case '?:':
      part(0);
      return joined([part(1), part(2)]);
    case 'call':
      return call(String(args[0]), undefined, nodesOf(args[1]), variables);
    case 'rcall':
      return call(String(args[0]), nodeOf(args[1]), nodesOf(args[2]), variables);
    default:
      return operation(
        op,
        args.map((_, at) => part(at)),
      );
  }
}

function literal(value: unknown): Type {
  switch (typeof value) {
    case 'string':
      return text;
    case 'bigint':
      return int;
    case 'number':
      return double;
    case 'boolean':
      return bool;
    default:
      if (value instanceof Uint8Array) return bytes;
      return value === null ? nothing : dyn;
  }
}

function mapLiteral(entries: readonly unknown[], variables: Variables): Type {
  const pairs = entries.map((entry) => nodesOf(entry).map((node) => checkOperands(node, variables)));
  const column = (at: number) => joined(pairs.map((pair) => pair[at] ?? dyn));
  return { kind: 'map', key: column(0), value: column(1) };
}

function operation(op: string, [left = dyn, right]: readonly Type[]): Type {
  switch (op) {
    case '==':
    case '!=':
      if (right && !areComparable(left, right)) throw noOverload(`_${op}_`, left, right);
      return bool;
    case 'in':
      if (right && !canHold(right, left)) throw noOverload('@in', left, right);
      return bool;
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return right && shown(left) === shown(right) && hasSums(left) ? left : dyn;
    case '-_':
      return left === int || left === double ? left : dyn;
    case '!_':
    case '&&':
    case '||':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return bool;
    default:
      return dyn;
  }
}

/** Calculated with, these stay what they are; moments do not. */
function hasSums(type: Type): boolean {
  return type.kind === 'list' || [int, double, text].includes(type);
}

function canHold(container: Type, item: Type): boolean {
  switch (container.kind) {
    case 'dyn':
      return true;
    case 'list':
      return areComparable(item, container.item);
    case 'map':
      return areComparable(item, container.key);
    default:
      return false;
  }
}

function noOverload(operator: string, left: Type, right: Type): Error {
  return new Error(
    `found no matching overload for '${operator}' applied to '(${shown(left)}, ${shown(right)})'`,
  );
}

function call(name: string, receiver: Node | undefined, args: readonly Node[], variables: Variables): Type {
  const target = receiver && checkOperands(receiver, variables);
  const [first] = args;
  if (target && first?.op === 'id' && loops.has(name)) return loop(name, target, args, variables);
  const given = args.map((argument) => checkOperands(argument, variables));
  switch (target?.kind) {
    case undefined:
      return results[name] ?? dyn;
    case 'optional':
      if (name === 'orValue') return joined([target.value, ...given]);
      return name === 'value' ? target.value : dyn;
    case 'list':
      return itemResults.has(name) ? target.item : name === 'size' ? int : dyn;
    default:
      return target === text ? (textResults[name] ?? dyn) : name === 'size' ? int : dyn;
  }
}

/** Over a map the variable is the key. */
function loop(name: string, target: Type, [variable, ...body]: readonly Node[], variables: Variables): Type {
  const each = target.kind === 'map' ? target.key : itemOf(target);
  const inner = new Map(variables).set(String(variable?.args[0]), each);
  const types = body.map((part) => checkOperands(part, inner));
  switch (name) {
    case 'filter':
      return listOf(each);
    case 'map':
      return listOf(types.at(-1) ?? dyn);
    default:
      return bool;
  }
}

function nodesOf(value: unknown): Node[] {
  return Array.isArray(value) ? value.flatMap((item) => nodeOf(item) ?? []) : [];
}
