/** The types of macros: calls that are loops, or look at their argument instead of taking its value (cel-go, parser/macro.go and ext). */
import { nodeOf } from '../ast.ts';
import type { Checker, Variables } from './checker.ts';
import { bool, dyn, int, listOf, mapOf, optionalOf, partsOf, shown, type Type } from './type.ts';

/** A call as it is written: what it is called on, and with. */
export type Call = { name: string; receiver: unknown; given: readonly unknown[] };

/** How many variables a loop of this name and count of arguments has; undefined for what is none. */
export function loopVariables(name: string, count: number): 1 | 2 | undefined {
  if (count === 2) return ['all', 'exists', 'exists_one', 'filter', 'map'].includes(name) ? 1 : undefined;
  if (count === 3 && name === 'map') return 1;
  if (count === 3 && ['all', 'exists', 'exists_one', 'existsOne'].includes(name)) return 2;
  const isTransform = ['transformList', 'transformMap', 'transformMapEntry'].includes(name);
  return isTransform && (count === 3 || count === 4) ? 2 : undefined;
}

/** The type of a macro; undefined for a call that is none. Throws an Error in the words of cel-go. */
export function checkMacro(checker: Checker, call: Call, variables: Variables): Type | undefined {
  const { name, receiver, given } = call;
  if (receiver === undefined) {
    if (name !== 'has' || given.length !== 1) return undefined;
    const field = nodeOf(given[0]);
    if (field?.op !== '.') throw new Error('invalid argument to has() macro');
    checker.typeOf(field, variables);
    return bool;
  }
  if ((name === 'optMap' || name === 'optFlatMap') && given.length === 2)
    return ifThere(checker, call, variables);
  const count = loopVariables(name, given.length);
  return count === undefined ? undefined : loop(checker, call, count, variables);
}

function loop(checker: Checker, { name, receiver, given }: Call, count: 1 | 2, variables: Variables): Type {
  const range = checker.typeOf(receiver, variables);
  const names = variableNames(given.slice(0, count));
  const each = rangeTypes(checker, range, count);
  const inner = new Map([...variables, ...names.map((one, at) => [one, each[at] ?? dyn] as const)]);
  const [first = dyn, second] = given.slice(count).map((part) => checker.typeOf(part, inner));
  const chosen = (result: Type): Type =>
    second === undefined ? result : checker.call('_?_:_', undefined, [first, result, result]);
  switch (name) {
    case 'all':
      return checker.call('_&&_', undefined, [bool, first]);
    case 'exists':
      return checker.call('_||_', undefined, [bool, first]);
    case 'exists_one':
    case 'existsOne':
      checker.call('_?_:_', undefined, [first, int, int]);
      return bool;
    case 'filter':
      return checker.call('_?_:_', undefined, [first, listOf(each[0] ?? dyn), listOf(each[0] ?? dyn)]);
    case 'transformMap':
      return chosen(mapOf(each[0] ?? dyn, second ?? first));
    case 'transformMapEntry':
      return chosen(entries(second ?? first));
    default:
      return chosen(listOf(second ?? first));
  }
}

function variableNames(given: readonly unknown[]): string[] {
  const names = given.map((one) => {
    const node = nodeOf(one);
    if (node?.op !== 'id') {
      throw new Error(
        given.length === 1 ? 'argument is not an identifier' : 'argument must be a simple name',
      );
    }
    return String(node.args[0]);
  });
  if (names.some((name) => name === '__result__' || name === '@result')) {
    throw new Error('iteration variable overwrites accumulator variable');
  }
  if (names.length === 2 && names[0] === names[1]) throw new Error(`duplicate variable name: ${names[0]}`);
  return names;
}

/** Of a list the items, or index and item; of a map the keys, or key and value. */
function rangeTypes(checker: Checker, range: Type, count: 1 | 2): readonly Type[] {
  const type = checker.resolve(range);
  if (type.kind === 'of' && type.name === 'list') return count === 1 ? type.types : [int, ...type.types];
  if (type.kind === 'of' && type.name === 'map') return partsOf(type);
  if (type.kind === 'dyn' || type.kind === 'unknown') return [dyn, dyn];
  throw new Error(
    `expression of type '${shown(type)}' cannot be range of a comprehension (must be list, map, or dynamic)`,
  );
}

function entries(type: Type): Type {
  if (type.kind === 'dyn' || (type.kind === 'of' && type.name === 'map')) return type;
  throw new Error(
    `found no matching overload for 'cel.@mapInsert' applied to '(map(dyn, dyn), ${shown(type)})'`,
  );
}

function ifThere(checker: Checker, { name, receiver, given }: Call, variables: Variables): Type {
  const optional = checker.typeOf(receiver, variables);
  checker.call('hasValue', optional, []);
  const value = checker.call('value', optional, []);
  const inner = new Map(variables);
  for (const variable of variableNames(given.slice(0, 1))) inner.set(variable, value);
  const result = checker.typeOf(given[1], inner);
  if (name === 'optMap') return optionalOf(result);
  return checker.call('_?_:_', undefined, [bool, result, optionalOf(checker.unknown())]);
}
