/** Merging an applied configuration into a live object: what the configuration names wins, the rest stays. */
import { cloneJson, isRecord, setOwn } from '../object.ts';
import {
  entryOf,
  type FieldType,
  isAtomic,
  isHollow,
  itemElement,
  itemType,
  lenientEntryType,
  shapeOf,
} from './typing.ts';

/** The merge of two values of one type; undefined stands for absent, also as the result. Shares nothing with its arguments. */
export function mergeValues(type: FieldType, live: unknown, applied: unknown): unknown {
  if (applied === undefined) return cloneJson(live);
  const shape = shapeOf(type, applied ?? live);
  const base = live !== undefined && shapeOf(type, live ?? applied) === shape ? live : undefined;
  if (isAtomic(type, shape) || (isHollow(base) && isHollow(applied))) return cloneJson(applied);
  return shape === 'map' ? mergeEntries(type, base, applied) : mergeItems(type, base, applied);
}

function mergeEntries(type: FieldType, live: unknown, applied: unknown): Record<string, unknown> {
  const left = isRecord(live) ? live : {};
  const right = isRecord(applied) ? applied : {};
  const result: Record<string, unknown> = {};
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const value = mergeValues(lenientEntryType(type, name), entryOf(left, name), entryOf(right, name));
    if (value !== undefined) setOwn(result, name, value);
  }
  return result;
}

/**
 * Shared items stand in the order of the configuration, items only the live list has stay where they were among
 * them, and new items come right before the shared item they precede in the configuration.
 */
function mergeItems(type: FieldType, live: unknown, applied: unknown): unknown[] {
  const left = itemsOf(type, live);
  const right = itemsOf(type, applied);
  const liveByElement = new Map(left.map(({ element, item }) => [element, item]));
  const inConfiguration = new Set(right.map(({ element }) => element));
  const shared = right.filter(({ element }) => liveByElement.has(element)).map(({ element }) => element);
  const result: unknown[] = [];
  let taken = 0;
  const takeThrough = (last: string | undefined) => {
    for (; taken < right.length; taken++) {
      const next = right[taken];
      if (next === undefined) return;
      result.push(mergeValues(itemType(type), liveByElement.get(next.element), next.item));
      if (next.element === last) {
        taken++;
        return;
      }
    }
  };
  let nextShared = 0;
  for (const { element, item } of left) {
    if (!inConfiguration.has(element)) result.push(cloneJson(item));
    else if (element === shared[nextShared]) {
      takeThrough(element);
      nextShared++;
    }
  }
  takeThrough(undefined);
  return result;
}

/** Items with their path element; one without (only possible in old live objects) is known by its place. */
function itemsOf(type: FieldType, list: unknown): { element: string; item: unknown }[] {
  return (Array.isArray(list) ? list : []).map((item: unknown, index) => {
    const found = itemElement(type, item);
    return { element: 'element' in found ? found.element : `i:${index}`, item };
  });
}
