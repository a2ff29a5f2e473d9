/** JSON merge patches (RFC 7386): applying one, and finding the smallest one between two values. Pure. */
import { isDeepStrictEqual } from 'node:util';

export type JsonObject = { readonly [name: string]: unknown };

/** True for objects with names, as JSON knows them: not for lists, null or scalars. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `target` with `patch` applied; neither is changed. null removes a name, lists are replaced as a whole. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const result: Record<string, unknown> = isJsonObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else if (value !== undefined) result[name] = applyMergePatch(result[name], value);
  }
  return result;
}

/**
 * The patch that makes `after` of `before`, or undefined when nothing differs. A name whose value is undefined or null
 * counts as absent, because a merge patch can write neither.
 */
export function mergePatchOf(before: JsonObject, after: JsonObject): JsonObject | undefined {
  const patch: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = before[name] ?? undefined;
    const wanted = after[name] ?? undefined;
    if (old === wanted) continue;
    if (wanted === undefined) {
      patch[name] = null;
    } else if (isJsonObject(wanted)) {
      const inner = mergePatchOf(isJsonObject(old) ? old : {}, wanted);
      if (inner !== undefined) patch[name] = inner;
      else if (!isJsonObject(old)) patch[name] = {};
    } else if (!isDeepStrictEqual(old, wanted)) {
      patch[name] = wanted;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
