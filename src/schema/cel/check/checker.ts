/**
 * Finds the type of an expression, and what is wrong with one that can never be evaluated, in the words of cel-go (checker/checker.go): a
 * definition that installs here must install on a kube-apiserver, and the other way round.
 */
import { type Node, nodeOf } from '../ast.ts';
import { optionalItem } from '../optionalItems.ts';
import { fieldType } from './declared.ts';
import { checkLiterals, type Literal } from './literals.ts';
import { checkMacro } from './macros.ts';
import { readSignatures } from './signatures.ts';
import {
  bool,
  bytes,
  double,
  dyn,
  int,
  isOptional,
  listOf,
  mapOf,
  nothing,
  optionalOf,
  partsOf,
  scalar,
  shown,
  type Type,
  text,
} from './type.ts';
import { assign, type Found, moreGeneral, resolved } from './unify.ts';

/** The types of the variables that can be named. */
export type Variables = ReadonlyMap<string, Type>;

/** What the parts of one expression are judged with. */
export type Checker = {
  /** The type of an operand. Throws an Error for one that cannot be. */
  typeOf(operand: unknown, variables: Variables): Type;
  /** The type that a function or operator returns for operands of these types; of `receiver` first where it is a method of it. */
  call(name: string, receiver: Type | undefined, types: readonly Type[]): Type;
  /** A type that is not known yet. */
  unknown(): Type;
  /** The type with what has become known since. */
  resolve(type: Type): Type;
};

const signatures = readSignatures();
/** Names that stand for types. */
const typeNames: ReadonlySet<string> = new Set(
  'bool bytes double int list map null_type string type uint optional_type'.split(' '),
);

/** The type of what the expression evaluates to. Throws an Error with the first fault found. */
export function checkExpression(root: Node, variables: Variables): Type {
  const literals: Literal[] = [];
  const inner = createChecker(literals);
  const type = inner.typeOf(root, variables);
  checkLiterals(literals, inner.resolve);
  return inner.resolve(type);
}

function createChecker(literals: Literal[]): Checker {
  let found: Found = new Map();
  let count = 0;
  const unknown = (): Type => ({ kind: 'unknown', name: `_var${count++}` });
  const resolve = (type: Type): Type => resolved(type, found);

  function call(name: string, receiver: Type | undefined, given: readonly Type[]): Type {
    const types = receiver === undefined ? given : [receiver, ...given];
    if (name === '_&&_' || name === '_||_') return logical(types);
    let result: Type | undefined;
    for (const signature of signatures.get(name) ?? []) {
      if (signature.isMethod !== (receiver !== undefined)) continue;
      const fresh = new Map([
        ['A', unknown()],
        ['B', unknown()],
      ]);
      const wanted = signature.types.map((type) => resolved(type, fresh));
      const next = assign(types, wanted, found);
      if (next === undefined) continue;
      found = next;
      const returned = resolve(resolved(signature.result, fresh));
      result = result === undefined || shown(result) === shown(returned) ? returned : dyn;
    }
    if (result !== undefined) return result;
    const [first = '', ...others] = types.map((type) => shown(resolve(type)));
    const applied =
      receiver === undefined ? `(${[first, ...others].join(', ')})` : `${first}.(${others.join(', ')})`;
    throw new Error(`found no matching overload for '${name}' applied to '${applied}'`);
  }

  function logical(types: readonly Type[]): Type {
    for (const type of types) {
      const next = assign([type], [bool], found);
      if (next === undefined) throw mismatch(bool, resolve(type));
      found = next;
    }
    return bool;
  }

  /** The one type of all these; dyn where there is none, which is told once all is known. */
  function joined(types: readonly Type[]): Type {
    const [first = unknown(), ...others] = types;
    let common = first;
    for (const type of others) {
      const next = assign([common], [type], found);
      if (next === undefined) return dyn;
      found = next;
      common = moreGeneral(common, type);
    }
    return common;
  }

  function select(operand: Type, field: string): Type {
    const type = resolve(operand);
    if (isOptional(type)) return optionalOf(select(partsOf(type)[0], field));
    switch (type.kind) {
      case 'dyn':
      case 'unknown':
        return dyn;
      case 'object': {
        const child = fieldType(type, field);
        if (child === undefined) throw new Error(`undefined field '${field}'`);
        return child;
      }
      default:
        if (type.kind === 'of' && type.name === 'map') return partsOf(type)[1];
        throw new Error(`type '${shown(type)}' does not support field selection`);
    }
  }

  function typeOf(operand: unknown, variables: Variables): Type {
    const node = nodeOf(operand);
    if (!node) return dyn;
    const { op, args } = node;
    const part = (at: number): Type => typeOf(args[at], variables);
    switch (op) {
      case 'value':
        return valueType(args[0]);
      case 'id':
        return identifier(String(args[0]), variables);
      case '.':
        return select(part(0), String(args[1]));
      case '.?':
        return optionalOf(select(part(0), String(args[1])));
      case optionalItem: {
        const type = resolve(part(0));
        if (isOptional(type)) return partsOf(type)[0];
        if (type.kind !== 'dyn') throw mismatch(optionalOf(type), type);
        return dyn;
      }
      case 'list': {
        const types = args.map((_, at) => part(at));
        const item = joined(types);
        literals.push({ kind: 'same', types });
        return listOf(item);
      }
      case 'map': {
        const pairs = args.map((entry) => (Array.isArray(entry) ? entry : []));
        const columns = [0, 1].map((at) => pairs.map((pair) => typeOf(pair[at], variables)));
        const [keys = [], values = []] = columns;
        literals.push({ kind: 'same', types: keys }, { kind: 'same', types: values });
        return mapOf(joined(keys), joined(values));
      }
      case 'call':
      case 'rcall':
        return callType(node, variables);
      default: {
        const types = args.map((_, at) => part(at));
        return call(operators[op] ?? `_${op}_`, undefined, types);
      }
    }
  }

  function callType({ op, args }: Node, variables: Variables): Type {
    const name = String(args[0]);
    const receiver = op === 'rcall' ? args[1] : undefined;
    const given: unknown[] = [args[op === 'rcall' ? 2 : 1]].flat();
    const macro = checkMacro(self, { name, receiver, given }, variables);
    if (macro !== undefined) return macro;
    const types = given.map((one) => typeOf(one, variables));
    const literal = nodeOf(given.at(-1));
    if (literal?.op === 'value') literals.push({ kind: 'argument', of: name, value: literal.args[0] });
    const target = nodeOf(receiver);
    const qualified =
      target?.op === 'id' && !variables.has(String(target.args[0])) ? `${target.args[0]}.${name}` : '';
    if (signatures.has(qualified)) return call(qualified, undefined, types);
    // A format is given values of all types in one list.
    if (name === 'format' && target) literals.pop();
    const on = receiver === undefined ? undefined : typeOf(receiver, variables);
    if (!signatures.has(name)) throw undeclared(name);
    return call(name, on, types);
  }

  const self = { typeOf, call, unknown, resolve };
  return self;
}

/** What the operators are called whose name is no `_op_`. */
const operators: Readonly<Record<string, string>> = {
  '[]': '_[_]',
  '[?]': '_[?_]',
  '?:': '_?_:_',
  '!_': '!_',
  '-_': '-_',
  in: '@in',
};

function identifier(name: string, variables: Variables): Type {
  const known = variables.get(name);
  if (known !== undefined) return known;
  if (typeNames.has(name)) return { kind: 'of', name: 'type', types: [scalar(name)] };
  throw undeclared(name);
}

function undeclared(name: string): Error {
  return new Error(`undeclared reference to '${name}' (in container '')`);
}

function mismatch(wanted: Type, actual: Type): Error {
  return new Error(`expected type '${shown(wanted)}' but found '${shown(actual)}'`);
}

function valueType(value: unknown): Type {
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
      return value === null ? nothing : scalar('uint');
  }
}
