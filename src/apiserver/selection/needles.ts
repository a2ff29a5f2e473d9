/**
 * Which stored bytes may match a selector, seen without parsing them. Stored values are written by JSON.stringify, so what a
 * requirement demands by equality stands in them as `"name":"value"`: bytes without that text cannot match. A list of
 * what lies on one host so parses that host's objects only; unlike an index it takes no memory and is true at every revision.
 */
import type { FieldSelector } from './fields.ts';
import type { LabelRequirement, LabelSelector } from './labels.ts';

/** False when bytes of this form cannot match; true says nothing. */
export type MayMatch = (bytes: Buffer) => boolean;

/** One of these texts must be there. */
type Needles = readonly Buffer[];

/** Undefined when the selectors demand nothing that can be seen so. */
export function mayMatchOf(labels: LabelSelector, fields: FieldSelector): MayMatch | undefined {
  const demands = [
    ...labels.map(labelNeedles),
    ...fields.map(({ field, equal, value }) => (equal ? fieldNeedles(field, value) : [])),
  ].filter((needles) => needles.length > 0);
  if (demands.length === 0) return undefined;
  return (bytes) =>
    !isPlain(bytes) || demands.every((needles) => needles.some((needle) => bytes.includes(needle)));
}

function labelNeedles(requirement: LabelRequirement): Needles {
  const key = `${JSON.stringify(requirement.key)}:`;
  switch (requirement.operator) {
    case 'In':
      return requirement.values.map((value) => Buffer.from(key + JSON.stringify(value)));
    case 'Exists':
    case 'GreaterThan':
    case 'LessThan':
      return [Buffer.from(key)];
    default:
      return [];
  }
}

/** A field that is absent equals the empty string, so that demands nothing; numbers and truth values stand without quotes. */
function fieldNeedles(field: string, value: string): Needles {
  if (value === '') return [];
  const key = `${JSON.stringify(field.slice(field.lastIndexOf('.') + 1))}:`;
  const text = Buffer.from(key + JSON.stringify(value));
  return /^(-?\d[\d.eE+-]*|true|false)$/.test(value) ? [text, Buffer.from(key + value)] : [text];
}

/** Values that are kept in another form than JSON tell nothing. */
function isPlain(bytes: Buffer): boolean {
  return bytes[0] === 0x7b;
}
