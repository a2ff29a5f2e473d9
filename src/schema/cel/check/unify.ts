/** Finds out whether one type can stand where another is wanted, and what the unknown ones are then (cel-go, checker/types.go). */
import { dyn, isSame, nothing, type Type } from './type.ts';

/** What unknown types have turned out to be. */
export type Found = ReadonlyMap<string, Type>;

/** What is known when each of `types` stands where the one of `wanted` at its place is; undefined when one cannot. */
export function assign(types: readonly Type[], wanted: readonly Type[], found: Found): Found | undefined {
  if (types.length !== wanted.length) return undefined;
  const known = new Map(found);
  return types.every((type, at) => fits(type, wanted[at] ?? dyn, known)) ? known : undefined;
}

/** The type with what is known put in. */
export function resolved(type: Type, found: Found): Type {
  if (type.kind === 'unknown') {
    const known = found.get(type.name);
    return known === undefined ? type : resolved(known, found);
  }
  if (type.kind !== 'of') return type;
  return { ...type, types: type.types.map((part) => resolved(part, found)) };
}

/** The one of two types that fit each other which says less. */
export function moreGeneral(a: Type, b: Type): Type {
  return saysNoMore(a, b) ? a : b;
}

function saysNoMore(a: Type, b: Type): boolean {
  if (a.kind === 'dyn' || a.kind === 'unknown') return true;
  if (a.kind === 'of' && b.kind === 'of') {
    return a.name === b.name && a.types.every((part, at) => saysNoMore(part, b.types[at] ?? dyn));
  }
  return isSame(a, b);
}

function fits(a: Type, b: Type, found: Map<string, Type>): boolean {
  if (b.kind === 'unknown') {
    const settled = settle(b, a, found);
    if (settled !== undefined) return settled;
  }
  if (a.kind === 'unknown') return settle(a, b, found) ?? false;
  if (a.kind === 'dyn' || b.kind === 'dyn') return true;
  if (isSame(a, nothing)) return canBeNull(b);
  if (isSame(b, nothing)) return canBeNull(a);
  if (a.kind !== 'of' || b.kind !== 'of') return isSame(a, b);
  if (a.name !== b.name) return false;
  return a.name === 'type' || a.types.every((part, at) => fits(part, b.types[at] ?? dyn, found));
}

/** Makes `type` what the unknown one is, or sees whether it fits what that is already; undefined where neither can be said. */
function settle(
  unknown: Type & { kind: 'unknown' },
  type: Type,
  found: Map<string, Type>,
): boolean | undefined {
  if (isSame(unknown, type)) return true;
  const known = found.get(unknown.name);
  if (known === undefined) {
    if (holds(type, unknown.name, found)) return undefined;
    found.set(unknown.name, type);
    return true;
  }
  if (isSame(known, type)) return true;
  if (!fits(type, known, found)) return false;
  const general = moreGeneral(type, known);
  if (!holds(general, unknown.name, found)) found.set(unknown.name, general);
  return true;
}

/** True when the type is made of the unknown one: it cannot be a part of itself. */
function holds(type: Type, name: string, found: Found): boolean {
  if (type.kind === 'of') return type.types.some((part) => holds(part, name, found));
  if (type.kind !== 'unknown') return false;
  const known = found.get(type.name);
  return type.name === name || (known !== undefined && holds(known, name, found));
}

function canBeNull(type: Type): boolean {
  switch (type.kind) {
    case 'object':
      return true;
    case 'of':
      return !['list', 'map', 'type'].includes(type.name);
    case 'scalar':
      return !['bool', 'bytes', 'double', 'int', 'string', 'uint'].includes(type.name);
    default:
      return true;
  }
}
