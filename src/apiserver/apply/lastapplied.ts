/**
 * The upgrade path from client-side apply: kubectl's annotation with the last applied configuration stands in for
 * ownership when kubectl applies on the server for the first time, and is kept up to date for the way back.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply
 */
import { parseWide, printJson } from '../../schema/json.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { collectFields } from './collect.ts';
import { compareValues } from './compare.ts';
import { difference, emptySet, type FieldSet } from './fieldset.ts';
import type { FieldType } from './typing.ts';

/** The annotation of kubectl's client-side apply. */
export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';

/** The manager for whom the annotation counts. */
export const lastAppliedManager = 'kubectl';

/** All annotations of an object together may have this many bytes, as everywhere in Kubernetes. */
const maxAnnotationBytes = 256 * 1024;

/** The fields whose live values still are what kubectl last applied: it may overwrite them as its own. */
export function fieldsOfLastApplied(type: FieldType, live: KubeObject): FieldSet {
  const lastApplied = parse(live.metadata.annotations?.[lastAppliedAnnotation]);
  if (lastApplied?.apiVersion !== live.apiVersion) return emptySet;
  const comparison = compareValues(type, lastApplied, live);
  return [comparison.modified, comparison.added, comparison.removed].reduce(
    difference,
    collectFields(type, lastApplied),
  );
}

/** The object with its annotation brought up to date, when it has one; the annotation goes when it became too large. */
export function withLastApplied(object: KubeObject, applied: KubeObject): KubeObject {
  const annotations = object.metadata.annotations;
  if (!annotations?.[lastAppliedAnnotation]) return object;
  const { [lastAppliedAnnotation]: _, ...others } = annotations;
  const updated = { ...annotations, [lastAppliedAnnotation]: encode(applied) };
  const bytes = Object.entries(updated).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  return {
    ...object,
    metadata: { ...object.metadata, annotations: bytes > maxAnnotationBytes ? others : updated },
  };
}

/** As kubectl writes it: keys sorted, the annotation itself left out, a line feed at the end. */
function encode(applied: KubeObject): string {
  const annotations = applied.metadata.annotations;
  if (annotations === undefined) return `${printJson(sortKeys(applied))}\n`;
  const { [lastAppliedAnnotation]: _, ...others } = annotations;
  const plain = { ...applied, metadata: { ...applied.metadata, annotations: others } };
  return `${printJson(sortKeys(plain))}\n`;
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isRecord(value)) return value;
  const sorted = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, item]) => [key, sortKeys(item)]));
}

function parse(text: string | undefined): Record<string, unknown> | undefined {
  if (!text) return undefined;
  try {
    const value: unknown = parseWide(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
