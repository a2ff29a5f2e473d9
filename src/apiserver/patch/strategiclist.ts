/** Lists under a strategic merge patch: items are found by their merge key, or by value where they are scalars. */
import { printJson } from '../../schema/json.ts';
import { cloneJson, isRecord } from '../object.ts';
import { PatchError } from './error.ts';

/** How the items of a list merge. */
export type ListRule = {
  /** The field by which items are told apart; absent for lists of scalars. */
  mergeKey?: string;
  /** One item under its part of the patch; `{}` when the item is new. */
  mergeItem(before: Record<string, unknown>, patch: Record<string, unknown>): unknown;
};

/**
 * The list with the patch's items merged in, new ones behind, then put into the order of `$setElementOrder` when the
 * patch has one. Throws PatchError 422 for an item without its merge key.
 */
export function mergeList(rule: ListRule, before: unknown[], patch: unknown[], order: unknown): unknown[] {
  if (order !== undefined && !Array.isArray(order)) {
    throw new PatchError(400, 'invalid patch format of $setElementOrder: it must be a list');
  }
  const scalars = ![...before, ...patch].some((item) => isRecord(item) || Array.isArray(item));
  const identify = scalars ? (item: unknown) => item : byKey(rule.mergeKey);
  const merged = scalars ? [...new Set([...before, ...patch])] : mergeItems(rule, before, patch, identify);
  if (order === undefined) return merged;
  return reorder(
    merged,
    before.map(identify),
    order.map((item) => (isRecord(item) ? identify(item) : item)),
    identify,
  );
}

type Identify = (item: unknown) => unknown;

function byKey(mergeKey: string | undefined): Identify {
  return (item) => {
    if (mergeKey === undefined || !isRecord(item)) {
      throw new PatchError(422, 'a list of this type cannot be merged: its schema declares no merge key');
    }
    if (item[mergeKey] === undefined) {
      throw new PatchError(422, `map: ${printJson(item)} does not contain declared merge key: ${mergeKey}`);
    }
    return item[mergeKey];
  };
}

function mergeItems(rule: ListRule, before: unknown[], patch: unknown[], identify: Identify): unknown[] {
  const items = patch.filter((item) => !(isRecord(item) && item.$patch === 'replace' && isMarker(item)));
  // `$patch: replace` as an item of its own replaces the whole list by the others.
  if (items.length < patch.length) return items.map((item) => fresh(rule, item));
  let result = before.map((item) => cloneJson(item));
  for (const item of items) {
    if (!isRecord(item)) throw new PatchError(422, 'a list must not mix objects and other values');
    const id = identify(item);
    if (item.$patch === 'delete') {
      result = result.filter((old) => identify(old) !== id);
      continue;
    }
    const index = result.findIndex((old) => identify(old) === id);
    const old = result[index];
    if (index < 0) result.push(fresh(rule, item));
    else result[index] = rule.mergeItem(isRecord(old) ? old : {}, item);
  }
  return result;
}

/** An item that is nothing but its directive. */
function isMarker(item: Record<string, unknown>): boolean {
  return Object.keys(item).length === 1;
}

function fresh(rule: ListRule, item: unknown): unknown {
  return isRecord(item) ? rule.mergeItem({}, item) : cloneJson(item);
}

/**
 * Items named by the order stand as it says. Items only the server has keep their own order; each stands before the
 * first named item that it preceded before.
 */
function reorder(merged: unknown[], before: unknown[], order: unknown[], identify: Identify): unknown[] {
  const rank = (item: unknown) => order.indexOf(identify(item));
  const named = merged.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  const others = merged.filter((item) => rank(item) < 0);
  const result: unknown[] = [];
  for (const item of named) {
    const place = before.indexOf(identify(item));
    while (others.length > 0 && place >= 0) {
      const otherPlace = before.indexOf(identify(others[0]));
      if (otherPlace < 0 || otherPlace > place) break;
      result.push(others.shift());
    }
    result.push(item);
  }
  return [...result, ...others];
}
