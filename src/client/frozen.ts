/** Freezing what many hands will hold: a change to a shared object must fail where it is made. */

/** Freezes a JSON value through and through, in place. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
