/** What kube-apiserver asks of literals beyond their types (cel-go, cel/validator.go). */
import { stringFormat } from '../../formats.ts';
import { compilePattern } from '../../patterns.ts';
import { shown, type Type } from './type.ts';

/** Something written in an expression that is looked at once all types are known. */
export type Literal =
  /** The items of a list, or the keys or the values of a map, which must be of one type. */
  | { kind: 'same'; types: readonly Type[] }
  /** The last argument of a function. */
  | { kind: 'argument'; of: string; value: unknown };

/** Throws an Error for the first literal that is wrong. */
export function checkLiterals(literals: readonly Literal[], resolve: (type: Type) => Type): void {
  for (const literal of literals) {
    if (
      literal.kind === 'argument' &&
      (typeof literal.value === 'string' ? !isReadable(literal.of, literal.value) : literal.of === 'duration')
    ) {
      throw new Error(`invalid ${literal.of} argument`);
    }
  }
  for (const literal of literals) {
    if (literal.kind !== 'same') continue;
    const [first = '', ...others] = literal.types.map((type) => shown(resolve(type)));
    const other = others.find((type) => type !== first);
    if (other !== undefined) throw new Error(`expected type '${first}' but found '${other}'`);
  }
}

function isReadable(name: string, value: string): boolean {
  switch (name) {
    case 'duration':
      return /^[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.test(value);
    case 'timestamp':
      return value.includes('T') && (stringFormat('date-time')?.(value) ?? true);
    case 'find':
    case 'findAll':
    case 'matches':
      return isPattern(value);
    default:
      return true;
  }
}

function isPattern(source: string): boolean {
  try {
    compilePattern(source);
    return true;
  } catch {
    return false;
  }
}
