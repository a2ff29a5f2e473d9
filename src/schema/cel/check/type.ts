/** The types of CEL, as cel-go's checker knows them (common/types). */
import type { JsonSchema } from '../../contract.ts';

export type Type =
  /** Anything: it is looked at when the expression runs. */
  | { kind: 'dyn' }
  /** What stands for a type that is not known yet: of the items of `[]`, or of a parameter of a function. */
  | { kind: 'unknown'; name: string }
  | { kind: 'scalar'; name: string }
  /** `list`, `map`, `optional_type` and `type`, of other types. */
  | { kind: 'of'; name: string; types: readonly Type[] }
  /** Told apart by the place in the schema: two places never have one type, however alike they are. */
  | { kind: 'object'; name: string; schema: JsonSchema; isResource: boolean };

export const scalar = (name: string): Type => ({ kind: 'scalar', name });

export const dyn: Type = { kind: 'dyn' };
export const bool = scalar('bool');
export const int = scalar('int');
export const double = scalar('double');
export const text = scalar('string');
export const bytes = scalar('bytes');
export const timestamp = scalar('timestamp');
export const duration = scalar('duration');
/** The type of null alone. */
export const nothing = scalar('null');

export const listOf = (item: Type): Type => ({ kind: 'of', name: 'list', types: [item] });
export const mapOf = (key: Type, value: Type): Type => ({ kind: 'of', name: 'map', types: [key, value] });
/** What may be absent of what may be absent may be absent. */
export const optionalOf = (value: Type): Type =>
  isOptional(value) ? value : { kind: 'of', name: 'optional_type', types: [value] };

export function isOptional(type: Type): boolean {
  return type.kind === 'of' && type.name === 'optional_type';
}

/** The types that `type` is made of: of a list its items, of a map its keys and values; dyn where there are none. */
export function partsOf(type: Type): [Type, Type] {
  const [first = dyn, second = dyn] = type.kind === 'of' ? type.types : [];
  return [first, second];
}

/** The type as cel-go writes it. */
export function shown(type: Type): string {
  switch (type.kind) {
    case 'dyn':
    case 'unknown':
      return 'dyn';
    case 'of':
      return type.types.length === 0 ? type.name : `${type.name}(${type.types.map(shown).join(', ')})`;
    default:
      return type.name;
  }
}

/** True for types that are the same in each part. */
export function isSame(a: Type, b: Type): boolean {
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'dyn':
      return true;
    case 'of':
      return (
        b.kind === 'of' &&
        a.name === b.name &&
        a.types.length === b.types.length &&
        a.types.every((type, at) => isSame(type, b.types[at] ?? dyn))
      );
    default:
      return b.kind !== 'dyn' && a.name === b.name;
  }
}
