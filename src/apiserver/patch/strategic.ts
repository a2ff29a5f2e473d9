/**
 * Strategic merge patch (`application/strategic-merge-patch+json`): a merge patch that also merges lists, by what the
 * kind's schema says of them and by directives inside the patch. Nothing given is ever changed.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
 */
import { printJson } from '../../schema/json.ts';
import { cloneJson, isRecord, setOwn } from '../object.ts';
import { withObjectMeta } from '../openapi/objectmeta.ts';
import type { KindSchema } from '../resource.ts';
import { PatchError } from './error.ts';
import { type ListRule, mergeList } from './strategiclist.ts';

const deleteFromList = '$deleteFromPrimitiveList/';
const setElementOrder = '$setElementOrder/';

/** How the values of one field merge; taken from the schema extensions. */
type FieldRule = ListRule & { schema: KindSchema | undefined; merge: boolean; replace: boolean };

/**
 * The object with the patch laid over it. Throws PatchError 400 for a malformed directive and 422 for a patch that
 * does not fit the schema, such as a list item without its merge key.
 */
export function applyStrategicMergePatch<T>(schema: KindSchema, object: T, patch: unknown): T {
  if (!isRecord(patch)) throw new PatchError(400, 'a strategic merge patch must be a JSON object');
  const before = isRecord(object) ? object : {};
  return mergeObject(withObjectMeta(schema), before, patch) as T;
}

/** One object under one patch; also used for the items of merged lists. */
function mergeObject(
  schema: KindSchema | undefined,
  before: Record<string, unknown>,
  patch: Record<string, unknown>,
): Record<string, unknown> {
  const directive = patch.$patch;
  if (directive === 'delete') return {};
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive !== undefined && directive !== 'merge') {
    throw new PatchError(400, `unknown patch type: ${printJson(directive)}`);
  }
  const result = retained(before, patch);
  for (const key of Object.keys(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith(setElementOrder)) continue;
    if (key.startsWith(deleteFromList)) {
      removeFromList(result, key.slice(deleteFromList.length), patch[key]);
    } else if (patch[key] === null) {
      delete result[key];
    } else {
      const order = patch[setElementOrder + key];
      setOwn(result, key, mergeValue(ruleOf(schema, key), own(result, key), patch[key], order));
    }
  }
  reorderUnpatched(schema, result, patch);
  return result;
}

/** A list may only be reordered: then the patch carries the order and no field of that name. */
function reorderUnpatched(
  schema: KindSchema | undefined,
  result: Record<string, unknown>,
  patch: Record<string, unknown>,
): void {
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(setElementOrder)) continue;
    const key = directive.slice(setElementOrder.length);
    const current = own(result, key);
    if (Object.hasOwn(patch, key) || !Array.isArray(current)) continue;
    setOwn(result, key, mergeList(ruleOf(schema, key), current, [], patch[directive]));
  }
}

function mergeValue(rule: FieldRule, before: unknown, patch: unknown, order: unknown): unknown {
  if (Array.isArray(patch)) {
    if (!rule.merge) return cloneJson(patch);
    return mergeList(rule, Array.isArray(before) ? before : [], patch, order);
  }
  if (!isRecord(patch)) return patch;
  if (rule.replace) return withoutDirectives(patch);
  // Merging into nothing still drops directives and nulls, which must never be stored.
  return mergeObject(rule.schema, isRecord(before) ? before : {}, patch);
}

/** What the schema says of a field: maps merge unless told otherwise, lists only when told so. */
function ruleOf(schema: KindSchema | undefined, key: string): FieldRule {
  const properties = schema?.properties;
  const named = properties !== undefined && Object.hasOwn(properties, key) ? properties[key] : undefined;
  const rest = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
  const field: KindSchema | undefined = named ?? rest;
  const strategies = (field?.['x-kubernetes-patch-strategy'] ?? '').split(',');
  const mergeKey = field?.['x-kubernetes-patch-merge-key'];
  return {
    schema: field,
    merge: strategies.includes('merge'),
    replace: strategies.includes('replace'),
    mergeItem: (before, patch) => mergeObject(field?.items, before, patch),
    ...(mergeKey === undefined ? {} : { mergeKey }),
  };
}

/** `$retainKeys` lists all keys the object shall still have; for unions such as deployment strategies. */
function retained(before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const keep = patch.$retainKeys;
  if (keep === undefined) return cloneJson(before);
  if (!Array.isArray(keep))
    throw new PatchError(400, 'invalid patch format of $retainKeys: it must be a list');
  for (const key of Object.keys(patch)) {
    if (!key.startsWith('$') && patch[key] !== null && !keep.includes(key)) {
      throw new PatchError(422, `$retainKeys must list every field of the patch; ${key} is missing`);
    }
  }
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(before)) if (keep.includes(key)) setOwn(result, key, cloneJson(before[key]));
  return result;
}

function removeFromList(result: Record<string, unknown>, key: string, values: unknown): void {
  if (!Array.isArray(values)) {
    throw new PatchError(400, `invalid patch format of ${deleteFromList}${key}: it must be a list`);
  }
  const current = own(result, key);
  if (Array.isArray(current)) {
    setOwn(
      result,
      key,
      current.filter((item) => !values.includes(item)),
    );
  }
}

/** A value without the directives and nulls of a patch: what is stored when there is nothing to merge with. */
function withoutDirectives(patch: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const key of Object.keys(patch)) {
    if (key.startsWith('$') || patch[key] === null) continue;
    const value = patch[key];
    setOwn(result, key, isRecord(value) ? withoutDirectives(value) : cloneJson(value));
  }
  return result;
}

function own(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
