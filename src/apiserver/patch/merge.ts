/** JSON Merge Patch (RFC 7386, `application/merge-patch+json`) on plain JSON; neither argument is ever changed. */
import { cloneJson, isRecord, setOwn } from '../object.ts';
import { PatchError } from './error.ts';

/** The object with the patch laid over it: null removes, objects merge, everything else replaces. Throws PatchError 400. */
export function applyMergePatch<T>(object: T, patch: unknown): T {
  if (!isRecord(patch))
    throw new PatchError(400, 'error decoding patch: a merge patch must be a JSON object');
  return overlay(object, patch) as T;
}

function overlay(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return cloneJson(patch);
  const result: Record<string, unknown> = {};
  if (isRecord(target)) {
    for (const key of Object.keys(target)) {
      if (!Object.hasOwn(patch, key)) setOwn(result, key, cloneJson(target[key]));
      else if (patch[key] !== null) setOwn(result, key, overlay(target[key], patch[key]));
    }
  }
  for (const key of Object.keys(patch)) {
    if (patch[key] === null || Object.hasOwn(result, key)) continue;
    setOwn(result, key, overlay(undefined, patch[key]));
  }
  return result;
}
