/** What a pass changes in a status: the smallest merge patch, with times kept where nothing turned. Pure. */
import type { Condition } from '../api/meta.ts';
import type { JsonObject } from '../client/patch.ts';
import { isJsonObject, mergePatchOf } from '../client/patch.ts';

function isCondition(value: unknown): value is Condition {
  return (
    isJsonObject(value) && typeof value.type === 'string' && typeof value.lastTransitionTime === 'string'
  );
}

function conditionsOf(status: JsonObject): Condition[] {
  return Array.isArray(status.conditions) ? status.conditions.filter(isCondition) : [];
}

/** The wanted conditions, each with the old time while its status is the old one. */
function keepTimes(old: readonly Condition[], wanted: readonly unknown[]): unknown[] {
  return wanted.map((condition) => {
    if (!isCondition(condition)) return condition;
    const before = old.find(({ type }) => type === condition.type);
    if (before?.status !== condition.status) return condition;
    return { ...condition, lastTransitionTime: before.lastTransitionTime };
  });
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** undefined inside, which JSON cannot say, must not look like a difference: left out in objects, null in lists. */
function asJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : asJson(item)));
  if (!isJsonObject(value)) return value;
  const said: Record<string, unknown> = {};
  for (const name in value) if (value[name] !== undefined) said[name] = asJson(value[name]);
  return said;
}

/** What is handed through as it was read is JSON already: the long lists of a Host are neither copied nor compared. */
function asJsonOver(before: JsonObject, wanted: JsonObject): JsonObject {
  const said: Record<string, unknown> = {};
  for (const name in wanted) {
    const value = wanted[name];
    if (value !== undefined) said[name] = value === before[name] ? value : asJson(value);
  }
  return said;
}

/** The patch of `status` alone, or undefined when nothing differs. Names missing in `wanted` are removed. `observed` is JSON as it was read. */
export function statusPatch(observed: unknown, wanted: unknown): JsonObject | undefined {
  const before = objectOf(observed);
  const after = asJsonOver(before, objectOf(wanted));
  if (!Array.isArray(after.conditions)) return mergePatchOf(before, after);
  return mergePatchOf(before, { ...after, conditions: keepTimes(conditionsOf(before), after.conditions) });
}

/**
 * The paths a status patch writes, such as `status.placement.host`; for conditions one path each that differs from
 * `observed`, such as `status.conditions.Ready`.
 */
export function writtenPaths(patch: JsonObject, observed: unknown): string[] {
  const paths: string[] = [];
  addPaths(paths, patch, 'status', observed);
  return paths;
}

function addPaths(paths: string[], value: unknown, path: string, observed: unknown): void {
  if (path === 'status.conditions') {
    const before = conditionsOf(objectOf(observed));
    for (const type of changedConditions(before, value)) paths.push(`${path}.${type}`);
    return;
  }
  const isInner = isJsonObject(value);
  let isEmpty = true;
  if (isInner)
    for (const name in value) {
      isEmpty = false;
      addPaths(paths, value[name], `${path}.${name}`, observed);
    }
  if (isEmpty) paths.push(path);
}

function changedConditions(before: readonly Condition[], value: unknown): string[] {
  const after = Array.isArray(value) ? value.filter(isCondition) : [];
  const changed: string[] = [];
  for (const { type } of before) if (!after.some((one) => one.type === type)) changed.push(type);
  for (const condition of after) {
    const known = before.find(({ type }) => type === condition.type);
    if (known === undefined || mergePatchOf(known, condition) !== undefined) changed.push(condition.type);
  }
  return changed;
}
